package registry

import (
	"fmt"
	"mime"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"maestro/problem"
	"maestro/tenancy"
)

// ArtifactTypes lists what an artifact can be.
var ArtifactTypes = [...]string{"feature_pipeline", "model_template", "schema", "notebook", "model", "dataset", "config", "report"}

// Bounds of an artifact's fields.
const (
	MaxDescriptionRunes = 10_000
	MaxTags             = 64
	MaxTagRunes         = 64
	MaxVersionRunes     = 100
	MaxURIRunes         = 2048
	maxMediaTypeBytes   = 255
)

// ArtifactFields are what a caller sets of an artifact.
type ArtifactFields struct {
	Name        string         `json:"name" minLength:"1" maxLength:"255"`
	Type        string         `json:"type" enum:"feature_pipeline,model_template,schema,notebook,model,dataset,config,report"`
	Version     string         `json:"version" minLength:"1" maxLength:"100" doc:"Unique with the name in the tenant"`
	Description string         `json:"description" required:"false" maxLength:"10000"`
	Tags        Tags           `json:"tags" required:"false" maxItems:"64" doc:"At most 64, of at most 64 characters each; kept sorted, each once"`
	ContentHash *string        `json:"content_hash" required:"false" pattern:"^[0-9a-f]{64}$" doc:"SHA-256 of the content, hexadecimal. Given at creation, the content uploaded later must match it"`
	MediaType   string         `json:"media_type" required:"false" maxLength:"255" doc:"Media type of the content"`
	StorageURI  string         `json:"storage_uri" required:"false" maxLength:"2048" doc:"Where the content is, when it is kept elsewhere"`
	IsActive    bool           `json:"is_active" required:"false" doc:"An inactive artifact stays on record and out of search and ranking"`
	Metadata    tenancy.Object `json:"metadata" required:"false" doc:"Free JSON object of at most 16 KiB"`
}

// Clone returns fields that share nothing with f, so that a change of one, even
// through its pointer or slices, is not a change of the other.
func (f ArtifactFields) Clone() ArtifactFields {
	f.Tags = slices.Clone(f.Tags)
	if f.ContentHash != nil {
		f.ContentHash = new(*f.ContentHash)
	}
	f.Metadata = slices.Clone(f.Metadata)
	return f
}

// Artifact is one reusable component of the library, in one version.
type Artifact struct {
	ID       tenancy.ID `json:"id"`
	TenantID tenancy.ID `json:"tenant_id"`
	ArtifactFields
	SizeBytes      *int64       `json:"size_bytes" doc:"Size of the content held here; null while none is"`
	UsageCount     int64        `json:"usage_count"`
	AvgImpactScore *float64     `json:"avg_impact_score" doc:"Mean of the usages' impact scores, 0 to 100; null while no usage has one"`
	CreatedBy      *tenancy.ID  `json:"created_by" nullable:"true" doc:"The user who recorded it; null once that user is gone"`
	CreatedAt      tenancy.Time `json:"created_at"`
	UpdatedAt      tenancy.Time `json:"updated_at"`
	Revision       int64        `json:"-"` // counts the changes; the ETag is made of it
}

// Tags are what people label an artifact with.
type Tags []string

var hashPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Normalise brings tags into their kept form: sorted, each once. It belongs
// after Validate, which names a wrong tag by its place in the input.
func (f *ArtifactFields) Normalise() {
	slices.Sort(f.Tags)
	f.Tags = slices.Compact(f.Tags)
}

// Validate names every value that is not allowed.
func (f *ArtifactFields) Validate() error {
	var c problem.Checks
	tenancy.CheckName(&c, "body.name", f.Name)
	c.Require(slices.Contains(ArtifactTypes[:], f.Type), "body.type", "must be one of the artifact types")
	tenancy.CheckLabel(&c, "body.version", f.Version, MaxVersionRunes)
	tenancy.CheckText(&c, "body.description", f.Description, 0, MaxDescriptionRunes)
	checkTags(&c, "body.tags", f.Tags)
	if f.ContentHash != nil {
		c.Require(hashPattern.MatchString(*f.ContentHash), "body.content_hash", "must be 64 lower-case hexadecimal digits")
	}
	if f.MediaType != "" {
		CheckMediaType(&c, "body.media_type", f.MediaType)
	}
	checkURI(&c, "body.storage_uri", f.StorageURI)
	f.Metadata.Check(&c, "body.metadata")
	return c.Err()
}

func checkTags(c *problem.Checks, location string, tags []string) {
	if len(tags) > MaxTags {
		c.Refuse(location, "must be at most %d", MaxTags)
		return
	}
	for i, tag := range tags {
		tenancy.CheckLabel(c, fmt.Sprintf("%s[%d]", location, i), tag, MaxTagRunes)
	}
}

// CheckMediaType records at location whether the text is not a media type.
func CheckMediaType(c *problem.Checks, location, text string) {
	c.Require(isMediaType(text), location, "must be a media type of at most %d characters", maxMediaTypeBytes)
}

// isMediaType bounds the length before it parses.
func isMediaType(text string) bool {
	if len(text) > maxMediaTypeBytes || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return false
	}
	full, _, err := mime.ParseMediaType(text)
	return err == nil && strings.Contains(full, "/")
}

// checkURI leaves the form to the storage that is named: s3://bucket/key,
// file:///data/x, /mnt/models/x. It refuses what a browser would run.
func checkURI(c *problem.Checks, location, uri string) {
	tenancy.CheckText(c, location, uri, 0, MaxURIRunes)
	if len(uri) > MaxURIRunes*utf8.UTFMax {
		return
	}
	c.Require(!strings.ContainsFunc(uri, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), location, "must not contain space or control characters")
	scheme, _, _ := strings.Cut(uri, ":")
	for _, script := range []string{"javascript", "data", "vbscript"} {
		c.Require(!strings.EqualFold(scheme, script) || scheme == uri, location, "must not be a script")
	}
}
