package storage

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"regexp"

	"maestro/tenancy"
)

const (
	selectBlobsOfShard = `SELECT content_hash FROM blobs WHERE tenant_id = $1 AND content_hash >= $2 AND content_hash < $3`

	selectTenantExists = `SELECT 1 FROM tenants WHERE id = $1`
)

// Sweep is what one pass of SweepBlobs did.
type Sweep struct {
	Examined int // files
	Removed  int
	Done     bool // the end was reached; the next pass begins anew
}

// sweepFiles is how many files a pass of maintenance examines.
const sweepFiles = 2000

func (s *Store) sweepSome(ctx context.Context) error {
	sweep, err := s.SweepBlobs(ctx, sweepFiles)
	if sweep.Removed > 0 {
		s.log.Info("removed content that nothing refers to", "files", sweep.Removed)
	}
	return err
}

// SweepBlobs removes files that nothing refers to: uploads that a crash cut
// short, and content whose last row went without its file. It goes on where the
// pass before ended, and ends with the directory in which it has examined limit
// files. Uploads and deletions may run beside it; one pass runs at a time.
func (s *Store) SweepBlobs(ctx context.Context, limit int) (Sweep, error) {
	var sweep Sweep
	tenants, err := s.readDir(".")
	if err != nil {
		return sweep, err
	}
	for _, name := range tenants {
		var tenant tenancy.ID
		if tenant.UnmarshalText([]byte(name)) != nil || name < path.Dir(path.Dir(s.files.swept)) {
			continue // not ours, or done
		}
		done, err := s.sweepTenant(ctx, tenant, limit, &sweep)
		if err != nil || !done {
			return sweep, err
		}
	}
	s.files.swept = ""
	sweep.Done = true
	return sweep, nil
}

// sweepTenant sweeps a tenant's directories that come behind the last one swept,
// and reports whether it got to their end.
func (s *Store) sweepTenant(ctx context.Context, tenant tenancy.ID, limit int, sweep *Sweep) (done bool, err error) {
	shards, err := s.readDir(path.Join(tenant.String(), shardsName))
	if err != nil {
		return false, err
	}
	for _, shard := range shards {
		dir := path.Join(tenant.String(), shardsName, shard)
		if dir <= s.files.swept {
			continue
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if err := s.sweepShard(ctx, tenant, shard, sweep); err != nil {
			return false, err
		}
		s.files.swept = dir
		if sweep.Examined >= limit {
			return false, nil
		}
	}
	if err := s.sweepUploads(tenant, sweep); err != nil {
		return false, err
	}
	return true, s.removeGone(ctx, tenant, shards)
}

var (
	shardPattern = regexp.MustCompile(`^[0-9a-f]{2}$`)
	restPattern  = regexp.MustCompile(`^[0-9a-f]{62}$`)
)

func (s *Store) sweepShard(ctx context.Context, tenant tenancy.ID, shard string, sweep *Sweep) error {
	if !shardPattern.MatchString(shard) {
		return nil
	}
	files, err := s.readDir(path.Join(tenant.String(), shardsName, shard))
	if err != nil {
		return err
	}
	held := make(map[string]bool, len(files))
	err = s.read(ctx, func(c *conn) error {
		// Hexadecimal digits end before g.
		return c.query(ctx, selectBlobsOfShard, []any{tenant, shard, shard + "g"}, func(r row) error {
			held[r.text(0)] = true
			return nil
		})
	})
	if err != nil {
		return err
	}
	for _, file := range files {
		sweep.Examined++
		if held[shard+file] || !restPattern.MatchString(file) {
			continue
		}
		k := blobKey{tenant, shard + file}
		unlock := s.files.lock(k)
		if s.removeUnlessHeld(k) { // it may have been placed since
			sweep.Removed++
		}
		unlock()
	}
	return nil
}

func (s *Store) sweepUploads(tenant tenancy.ID, sweep *Sweep) error {
	files, err := s.readDir(path.Join(tenant.String(), uploadsName))
	for _, file := range files {
		sweep.Examined++
		u := upload{path: path.Join(tenant.String(), uploadsName, file)}
		if !s.files.claimed(u.path) {
			s.abandonUpload(u)
			sweep.Removed++
		}
	}
	return err
}

// removeGone removes the empty directories of a tenant that is gone.
func (s *Store) removeGone(ctx context.Context, tenant tenancy.ID, shards []string) error {
	err := s.read(ctx, func(c *conn) error {
		return c.queryRow(selectTenantExists, []any{tenant}, func(row) {})
	})
	if !errors.Is(err, errNoRow) {
		return err
	}
	dir := tenant.String()
	for _, shard := range shards {
		_ = s.root.Remove(path.Join(dir, shardsName, shard)) // stays unless it is empty, as do all of these
	}
	_ = s.root.Remove(path.Join(dir, shardsName))
	_ = s.root.Remove(path.Join(dir, uploadsName))
	_ = s.root.Remove(dir)
	return nil
}

// readDir returns the names in a directory of blobs, sorted; none when it is
// missing.
func (s *Store) readDir(name string) ([]string, error) {
	entries, err := fs.ReadDir(s.root.FS(), name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, diskError(err)
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, nil
}
