package storage

import (
	"context"
	"os"
	"path/filepath"
)

const countTenants = `SELECT count(*) FROM tenants WHERE deleted_at IS NULL`

// Extent is how large the installation is.
type Extent struct {
	Tenants       int64
	DatabaseBytes int64 // of the database's file
	LogBytes      int64 // of the write-ahead log's file; what it holds may be copied already
}

// Extent measures the installation.
func (s *Store) Extent(ctx context.Context) (extent Extent, err error) {
	info, err := os.Stat(filepath.Join(s.dir, databaseName))
	if err != nil {
		return extent, err
	}
	extent.DatabaseBytes, extent.LogBytes = info.Size(), s.logSize()
	err = s.read(ctx, func(c *conn) error {
		return c.queryRow(countTenants, nil, func(r row) { extent.Tenants = r.int(0) })
	})
	return extent, err
}
