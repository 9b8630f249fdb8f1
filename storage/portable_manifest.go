package storage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"maestro/audit"
	"maestro/problem"
	"maestro/storage/archive"
	"maestro/tenancy"
)

// PortableFormat is the version of the form of a tenant's archive: which files it
// has and which members their lines. It rises whenever one of them changes.
const PortableFormat = 1

// Names in a tenant's archive, beside those of the tables.
const (
	manifestName   = "tenant.json"
	linesSuffix    = ".ndjson"
	trailTable     = "audit_events"
	contentsPrefix = blobsName + "/" + shardsName + "/"
)

// maxManifest bounds the manifest, in bytes. The tenant's metadata are its largest part.
const maxManifest = 256 << 10

// TenantManifest says what the archive of a tenant holds.
type TenantManifest struct {
	Format         int            `json:"format"`
	Tenant         PortableTenant `json:"tenant"`
	PasswordHashes bool           `json:"password_hashes"` // whether the users' rows have them
	Trail          PortableTrail  `json:"trail"`
	LeftBehind     LeftBehind     `json:"left_behind"`
	Files          []PortableFile `json:"files"` // in their order, without the contents
	Contents       int64          `json:"contents"`
	ContentBytes   int64          `json:"content_bytes"`
}

// PortableTenant is the tenant as it was.
type PortableTenant struct {
	ID tenancy.ID `json:"id"`
	tenancy.TenantFields
	CreatedAt tenancy.Time `json:"created_at"`
	UpdatedAt tenancy.Time `json:"updated_at"`
	Revision  int64        `json:"revision"`
}

// PortableTrail says from where to where the audit trail in the archive goes: from
// behind Pruned to Head.
type PortableTrail struct {
	Pruned audit.Link `json:"pruned"`
	Head   audit.Link `json:"head"`
}

// LeftBehind counts what does not go along and has to be made anew.
type LeftBehind struct {
	APITokens int64 `json:"api_tokens"`
	Hooks     int64 `json:"hooks"`
	Operators int64 `json:"operators"` // users who ran the installation: they go along and run the other one not
}

// PortableFile is a file of lines.
type PortableFile struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

func (m *TenantManifest) encode() []byte {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		panic("storage: " + err.Error()) // validation admits finite numbers only
	}
	return append(text, '\n')
}

// rows returns how many rows of a table there are.
func (m *TenantManifest) rows(table string) int64 {
	for _, f := range m.Files {
		if f.Name == table+linesSuffix {
			return f.Rows
		}
	}
	return 0
}

// lineFiles are the names of the files of lines, in their order.
func lineFiles() (names []string) {
	for _, t := range portableTables {
		names = append(names, t.name+linesSuffix)
	}
	return append(names, trailTable+linesSuffix)
}

// parseManifest reads the manifest. A format that is not known is a conflict that
// says what helps.
func parseManifest(text []byte, info archive.Info) (m TenantManifest, err error) {
	var form struct{ Format int }
	if err := json.Unmarshal(text, &form); err != nil {
		return m, &archive.DamageError{Name: manifestName, Reason: "is no JSON object"}
	}
	if form.Format > PortableFormat {
		return m, problem.New(problem.Conflict, "The archive has format %d, and this program, %d at most: it was written by Maestro %.40q. Upgrade this installation to that version or a later one, then import it.",
			form.Format, PortableFormat, info.Version)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&m); err != nil {
		return m, &archive.DamageError{Name: manifestName, Reason: "cannot be read: " + err.Error()}
	}
	refuse := func(format string, args ...any) (TenantManifest, error) {
		return m, &archive.DamageError{Name: manifestName, Reason: fmt.Sprintf(format, args...)}
	}
	if !bytes.Equal(m.encode(), text) {
		return refuse("is not written as an export writes it")
	}
	if m.Format < 1 || m.Tenant.ID.IsZero() {
		return refuse("has no format, or no id of the tenant")
	}
	if m.Tenant.Revision < 1 || m.Tenant.Revision > maxWhole {
		return refuse("has no revision of the tenant from 1 to 2^53")
	}
	for _, at := range []tenancy.Time{m.Tenant.CreatedAt, m.Tenant.UpdatedAt, m.Trail.Pruned.Time, m.Trail.Head.Time} {
		if !isTime(at) {
			return refuse("has a time that is none from 1970 to 2199")
		}
	}
	for _, n := range []int64{m.LeftBehind.APITokens, m.LeftBehind.Hooks, m.LeftBehind.Operators, m.Contents, m.ContentBytes,
		m.Trail.Pruned.Sequence, m.Trail.Head.Sequence} {
		if n < 0 || n > maxWhole {
			return refuse("has a number that is none from 0 to 2^53")
		}
	}
	if err := m.Tenant.Validate(); err != nil {
		return refuse("names a tenant that cannot be: %s", strings.ReplaceAll(reasonsOf(err), "body.", ""))
	}
	names := lineFiles()
	if len(m.Files) != len(names) {
		return refuse("lists %d files and not %d", len(m.Files), len(names))
	}
	for i, f := range m.Files {
		if f.Name != names[i] || f.Rows < 0 || f.Rows > maxWhole || f.Bytes < 0 || f.Bytes > maxWhole || !isSHA256(f.SHA256) {
			return refuse("does not list %s as it must", names[i])
		}
	}
	if t := m.Trail; t.Head.Sequence-t.Pruned.Sequence != m.rows(trailTable) {
		return refuse("counts the events otherwise than their numbers do")
	}
	if m.Contents != m.rows(blobTable) {
		return refuse("counts the contents otherwise than their list does")
	}
	return m, nil
}

// contentName is the name of a content in the archive.
func contentName(hash string) string { return path.Join(blobsName, shardsName, hash[:2], hash[2:]) }
