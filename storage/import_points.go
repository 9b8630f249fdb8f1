package storage

import (
	"math"

	"maestro/tenancy"
)

// portableSeries is the series that the points come to, which come series by series
// and rise in time. Its summary is written when the last has come.
type portableSeries struct {
	project tenancy.ID
	metric  string
	points  int64
	bytes   int64 // of their metadata
	total   total
}

const (
	insertPortableSeries = `INSERT INTO series (tenant_id, project_id, metric_type) VALUES ($1, $2, $3)`

	sumPortableSeries = `UPDATE series SET points = $4, value_min = $5, value_max = $6, value_sum = $7, first_time = $8, last_time = $9, last_value = $10, metadata_bytes = $11
		WHERE tenant_id = $1 AND project_id = $2 AND metric_type = $3`
)

func (i *tenantImport) insertPoint(tx *Tx, row portableRow) error {
	project, metric := row.value("project_id").(tenancy.ID), row.value("metric_type").(string)
	if i.sum == nil || i.sum.project != project || i.sum.metric != metric {
		if err := i.sumSeries(tx); err != nil {
			return err
		}
		if _, err := tx.exec(insertPortableSeries, i.id, project, metric); err != nil {
			return err
		}
		i.series = tx.database.lastInsert()
		i.sum = &portableSeries{project: project, metric: metric, total: total{min: math.Inf(1), max: math.Inf(-1)}}
	}
	at, seq, value := row.value("time").(tenancy.Time), row.value("seq").(int64), row.value("value").(float64)
	metadata, some := row.value("metadata").(string)
	if _, err := tx.exec(insertPoint, i.series, at, seq, value, row.value("metadata")); err != nil {
		return err
	}
	if some {
		i.sum.bytes += int64(len(metadata))
	}
	s := &i.sum.total
	if i.sum.points++; i.sum.points == 1 {
		s.firstTime = at
	}
	s.min, s.max, s.lastTime, s.last = min(s.min, value), max(s.max, value), at, value
	s.sum = min(max(s.sum+value, -math.MaxFloat64), math.MaxFloat64) // as addToSeries keeps it
	if !row.value("derived").(bool) {
		return nil
	}
	_, err := tx.exec(insertDerived, i.id, project, metric, at, seq)
	return err
}

// sumSeries writes the summary of the series whose last point has come, and counts
// what its points take.
func (i *tenantImport) sumSeries(tx *Tx) error {
	if i.sum == nil {
		return nil
	}
	s := i.sum.total
	_, err := tx.exec(sumPortableSeries, i.id, i.sum.project, i.sum.metric, i.sum.points, s.min, s.max, s.sum, s.firstTime, s.lastTime, s.last, i.sum.bytes)
	if err == nil {
		_, err = tx.exec(countRecords, i.id, pointBytes*i.sum.points+i.sum.bytes)
	}
	return err
}

// endSeries does so for the last series of all.
func (i *tenantImport) endSeries() error {
	return i.store.writer.do(i.ctx, i.id, i.sumSeries)
}
