package storage

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"filippo.io/age"

	"maestro/audit"
	"maestro/problem"
	"maestro/storage/archive"
	"maestro/tenancy"
)

// TenantReport says what the archive of a tenant holds, and what became of it.
type TenantReport struct {
	ID             tenancy.ID       `json:"id"` // of the tenant; of the one that was made, after an import
	Slug           string           `json:"slug"`
	Name           string           `json:"name"`
	Source         tenancy.ID       `json:"source_id"` // the tenant's id where it was exported
	SourceSlug     string           `json:"source_slug"`
	Version        string           `json:"version"` // of the Maestro that exported it
	Schema         int64            `json:"schema"`
	ExportedAt     tenancy.Time     `json:"exported_at"`
	Encrypted      bool             `json:"encrypted"`
	Rows           map[string]int64 `json:"rows"` // by table
	Contents       int64            `json:"contents"`
	ContentBytes   int64            `json:"content_bytes"`
	RecordBytes    int64            `json:"record_bytes"` // what the rows count towards the tenant's storage
	PasswordHashes bool             `json:"password_hashes"`
	CostlyHashes   int64            `json:"costly_hashes"` // of them that cost more than an import takes: it leaves them out
	LeftBehind     LeftBehind       `json:"left_behind"`
	Limits         tenancy.Limits   `json:"limits"`     // of the tenant; those that it gets, in an import
	TrailHead      audit.Link       `json:"trail_head"` // where the audit trail in the archive ends
	Digest         string           `json:"digest"`     // of the manifest, which has those of all lines
	Imported       bool             `json:"imported"`
}

func reportOf(m *TenantManifest, info archive.Info, digest string) TenantReport {
	report := TenantReport{ID: m.Tenant.ID, Slug: m.Tenant.Slug, Name: m.Tenant.Name, Source: m.Tenant.ID, SourceSlug: m.Tenant.Slug, Version: info.Version,
		Schema: info.Schema, ExportedAt: info.CreatedAt, Rows: make(map[string]int64), Contents: m.Contents, ContentBytes: m.ContentBytes,
		PasswordHashes: m.PasswordHashes, LeftBehind: m.LeftBehind, Limits: m.Tenant.Limits, TrailHead: m.Trail.Head, Digest: digest}
	for _, f := range m.Files {
		if name := strings.TrimSuffix(f.Name, linesSuffix); name != blobTable {
			report.Rows[name] = f.Rows
		}
	}
	return report
}

// tenantFile is a file that holds the archive of a tenant.
type tenantFile struct {
	name       string
	identities []age.Identity
	temp       string
	progress   func(step string, done, total int64) // in bytes of the file
}

// each reads the whole archive, as archive.Read does.
func (f *tenantFile) each(ctx context.Context, step string, each func(info archive.Info, name string, size int64, content io.Reader) error) (info archive.Info, encrypted bool, err error) {
	file, err := os.Open(f.name)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = problem.Wrap(err, problem.NotFound, "There is no file %s.", f.name)
		}
		return info, false, err
	}
	defer func() { _ = file.Close() }() // it was only read
	stat, err := file.Stat()
	if err != nil {
		return info, false, err
	}
	counted := io.Reader(file)
	if f.progress != nil {
		counted = &followedReader{in: file, progress: func(done int64) { f.progress(step, done, stat.Size()) }}
	}
	in, encrypted, err := archive.Decrypt(counted, f.identities)
	if err == nil {
		info, err = archive.Read(in, f.temp, func(info archive.Info, name string, size int64, content io.Reader) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return each(info, name, size, content)
		})
	}
	if err != nil {
		return info, encrypted, fmt.Errorf("%s: %w", f.name, err)
	}
	return info, encrypted, nil
}

// followedReader tells how much was read.
type followedReader struct {
	in       io.Reader
	done     int64
	progress func(done int64)
}

func (r *followedReader) Read(b []byte) (int, error) {
	n, err := r.in.Read(b)
	r.done += int64(n)
	r.progress(r.done)
	return n, err
}

// portableSink is given what an archive holds, in its order.
type portableSink interface {
	begin(m *TenantManifest, info archive.Info, digest string) error
	row(row portableRow) error
	content(hash string, size int64, content io.Reader) error
	finish() error
}

// portableReader follows an archive and gives what it holds to a sink. It refuses
// what needs no other row to be refused; the sink refuses the rest.
type portableReader struct {
	sink     portableSink
	manifest *TenantManifest
	next     int // of the files of lines
	contents portableContents
	last     []any // the row before
	points   portablePoints
	newer    *audit.Event // the event before, which is the next in the trail
}

// portableContents compares the contents with their list, both in the order of
// their hashes, so that neither is held.
type portableContents struct {
	count, bytes int64
	last         string
}

// readPortable reads a tenant's archive whole.
func readPortable(ctx context.Context, f *tenantFile, step string, sink portableSink) error {
	r := &portableReader{sink: sink}
	_, _, err := f.each(ctx, step, r.file)
	if err == nil {
		err = r.finish()
	}
	return err
}

func (r *portableReader) file(info archive.Info, name string, size int64, content io.Reader) error {
	if r.manifest == nil {
		return r.begin(info, name, size, content)
	}
	if strings.HasPrefix(name, contentsPrefix) && r.behindContentList() {
		return r.content(name, size, content)
	}
	if r.next == len(r.manifest.Files) || name != r.manifest.Files[r.next].Name {
		return &archive.DamageError{Name: name, Reason: "is nothing that the archive of a tenant has in this place"}
	}
	if r.behindContentList() {
		if err := r.contents.complete(r.manifest); err != nil {
			return err
		}
	}
	f := &r.manifest.Files[r.next]
	r.next++
	return r.lines(f, size, content)
}

// behindContentList reports whether the list of contents is the last file of lines
// that was read: the contents follow it.
func (r *portableReader) behindContentList() bool {
	return r.next > 0 && r.manifest.Files[r.next-1].Name == blobTable+linesSuffix
}

func (r *portableReader) begin(info archive.Info, name string, size int64, content io.Reader) error {
	switch {
	case name == databaseName:
		return problem.New(problem.Conflict, "This is the backup of a whole installation, not the archive of a tenant: maestro restore makes it a data directory.")
	case name != manifestName || size > maxManifest:
		return &archive.DamageError{Name: name, Reason: "is nothing that the archive of a tenant begins with"}
	}
	text, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	m, err := parseManifest(text, info)
	if err != nil {
		return err
	}
	r.manifest = &m
	sum := sha256.Sum256(text)
	return r.sink.begin(&m, info, hex.EncodeToString(sum[:]))
}

func (r *portableReader) content(name string, size int64, content io.Reader) error {
	hash := strings.ReplaceAll(strings.TrimPrefix(name, contentsPrefix), "/", "")
	if !isSHA256(hash) || name != contentName(hash) || hash <= r.contents.last {
		return &archive.DamageError{Name: name, Reason: "is nothing that the archive of a tenant has in this place"}
	}
	r.contents.count, r.contents.bytes, r.contents.last = r.contents.count+1, r.contents.bytes+size, hash
	return r.sink.content(hash, size, content)
}

func (c *portableContents) complete(m *TenantManifest) error {
	if c.count != m.Contents || c.bytes != m.ContentBytes {
		return &archive.DamageError{Name: contentsPrefix, Reason: fmt.Sprintf("has %d contents of %d bytes, the manifest says %d of %d", c.count, c.bytes, m.Contents, m.ContentBytes)}
	}
	return nil
}

// errLine ends a file of lines at one that is refused.
func errLine(f *PortableFile, line int64, reason error) error {
	return &archive.DamageError{Name: f.Name, Reason: fmt.Sprintf("is refused at line %d, which %s", line, reason), Err: reason}
}

// lines reads a file of lines. No line is taken before its length is known to be
// within bounds.
func (r *portableReader) lines(f *PortableFile, size int64, content io.Reader) error {
	if size != f.Bytes {
		return &archive.DamageError{Name: f.Name, Reason: fmt.Sprintf("has %d bytes, the manifest says %d", size, f.Bytes)}
	}
	hash := sha256.New()
	in := bufio.NewReaderSize(io.TeeReader(content, hash), 64<<10)
	take := r.event
	if table := r.tableOf(f); table != nil {
		take = func(line []byte) error { return r.row(table, line) }
	}
	r.last, r.points, r.newer = nil, portablePoints{}, nil
	var line []byte
	for n := int64(1); ; n++ {
		var err error
		if line, err = readLine(in, line[:0]); errors.Is(err, io.EOF) {
			return r.endLines(f, n-1, hex.EncodeToString(hash.Sum(nil)))
		} else if err == nil {
			err = take(line)
		}
		var refused *refusedLine
		switch {
		case errors.As(err, &refused):
			return errLine(f, n, refused.reason)
		case err != nil:
			return err
		}
	}
}

func (r *portableReader) endLines(f *PortableFile, rows int64, sum string) error {
	switch {
	case rows != f.Rows:
		return &archive.DamageError{Name: f.Name, Reason: fmt.Sprintf("has %d lines, the manifest says %d", rows, f.Rows)}
	case sum != f.SHA256:
		return &archive.DamageError{Name: f.Name, Reason: "differs from its digest in the manifest"}
	case f.Name == trailTable+linesSuffix:
		return r.endTrail()
	case f.Name == pointTable+linesSuffix:
		if err := r.points.endSeries(); err != nil {
			return errLine(f, rows, err)
		}
	}
	return nil
}

func (r *portableReader) tableOf(f *PortableFile) *portableTable {
	for _, t := range portableTables {
		if t.name+linesSuffix == f.Name {
			return t
		}
	}
	return nil
}

// refusedLine is why a line is refused.
type refusedLine struct{ reason error }

func (e *refusedLine) Error() string { return e.reason.Error() }

func refuseLine(format string, args ...any) error { return &refusedLine{fmt.Errorf(format, args...)} }

// readLine reads a line without its end, which it must have.
func readLine(in *bufio.Reader, line []byte) ([]byte, error) {
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			return line, refuseLine("has more than %d bytes", maxLine)
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, refuseLine("has no end")
		default:
			return line, err
		}
	}
}

func (r *portableReader) row(table *portableTable, line []byte) error {
	row, err := table.parse(line)
	if err != nil {
		return &refusedLine{err}
	}
	if r.last != nil && table.compare(r.last, row.values) >= 0 {
		return refuseLine("does not rise above the line before: a row is there twice, or out of order")
	}
	r.last = row.values
	if table.name == pointTable {
		if err := r.points.add(row); err != nil {
			return err
		}
	}
	return r.sink.row(row)
}

// portablePoints is the series that the points are of, as they come.
type portablePoints struct {
	project any // of the series; nil before the first
	metric  any
	derived tenancy.Time // of the last derived point
	count   int64
	highest int64 // sequence number
}

func (p *portablePoints) add(row portableRow) error {
	if project, metric := row.value("project_id"), row.value("metric_type"); p.project != project || p.metric != metric {
		if err := p.endSeries(); err != nil {
			return &refusedLine{err}
		}
		*p = portablePoints{project: project, metric: metric, derived: math.MinInt64}
	}
	at, seq := row.value("time").(tenancy.Time), row.value("seq").(int64)
	p.count, p.highest = p.count+1, max(p.highest, seq)
	if !row.value("derived").(bool) {
		return nil
	}
	if at == p.derived {
		return refuseLine("is the second derived point of its time")
	}
	p.derived = at
	return nil
}

// endSeries requires that the next point of the series gets a number that none has.
func (p *portablePoints) endSeries() error {
	if p.highest > p.count {
		return fmt.Errorf("is the end of, or comes behind, a series with a sequence number above the %d points that it has", p.count)
	}
	return nil
}

// event takes a line of the audit trail, which goes from its head backwards.
func (r *portableReader) event(line []byte) error {
	var e audit.Event
	if err := json.Unmarshal(line, &e); err != nil {
		return refuseLine("is no event")
	}
	switch {
	case !bytes.Equal(e.AppendJSON(nil), line):
		return refuseLine("is not written as an export writes it")
	case e.TenantID == nil || *e.TenantID != r.manifest.Tenant.ID:
		return refuseLine("is an event of another tenant")
	}
	if r.newer == nil {
		if e.Link() != r.manifest.Trail.Head {
			return refuseLine("is not the event that the manifest says the trail ends with")
		}
	} else if fault := r.newer.Follows(e.Link()); fault != nil {
		return fault
	}
	r.newer = &e
	return nil
}

func (r *portableReader) endTrail() error {
	if r.newer == nil {
		return nil // and the manifest counts none
	}
	if fault := r.newer.Follows(r.manifest.Trail.Pruned); fault != nil {
		return fault
	}
	return nil
}

func (r *portableReader) finish() error {
	if r.manifest == nil || r.next != len(r.manifest.Files) {
		return &archive.DamageError{Name: manifestName, Reason: "names files that are missing"}
	}
	return r.sink.finish()
}
