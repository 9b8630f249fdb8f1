package tracking

import "maestro/tenancy"

// AppendJSON appends the point exactly as encoding/json writes it with
// SetEscapeHTML(false); a chart has thousands.
func (p *Point) AppendJSON(b []byte) []byte {
	b = append(b, `{"project_id":`...)
	b = p.ProjectID.AppendJSON(b)
	b = append(b, `,"metric_type":`...)
	b = tenancy.AppendJSONString(b, p.MetricType)
	b = append(b, `,"metric_value":`...)
	b = tenancy.AppendJSONFloat(b, p.MetricValue)
	b = append(b, `,"timestamp":`...)
	b = tenancy.AppendJSONOrNull(b, p.Timestamp)
	b = append(b, `,"metadata":`...)
	b = p.Metadata.AppendJSON(b)
	return append(b, '}')
}
