package registry

import (
	"mime"
	"regexp"
	"slices"
	"strings"

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
)

// ArtifactFields are what a caller sets of an artifact.
type ArtifactFields struct {
	Name        string         `json:"name" minLength:"1" maxLength:"255"`
	Type        string         `json:"type" enum:"feature_pipeline,model_template,schema,notebook,model,dataset,config,report"`
	Version     string         `json:"version" minLength:"1" maxLength:"100" doc:"Unique with the name in the tenant"`
	Description string         `json:"description" required:"false" maxLength:"10000"`
	Tags        []string       `json:"tags" required:"false" maxItems:"64" doc:"At most 64, of at most 64 characters each; kept sorted, each once"`
	ContentHash *string        `json:"content_hash" required:"false" pattern:"^[0-9a-f]{64}$" doc:"SHA-256 of the content, hexadecimal. Given at creation, the content uploaded later must match it"`
	MediaType   string         `json:"media_type" required:"false" maxLength:"255" doc:"Media type of the content"`
	StorageURI  string         `json:"storage_uri" required:"false" maxLength:"2048" doc:"Where the content is, when it is kept elsewhere"`
	IsActive    bool           `json:"is_active" required:"false" doc:"An inactive artifact stays on record and out of search and ranking"`
	Metadata    tenancy.Object `json:"metadata" required:"false" doc:"Free JSON object of at most 16 KiB"`
}

// Artifact is one reusable component of the library, in one version.
type Artifact struct {
	ID       tenancy.ID `json:"id"`
	TenantID tenancy.ID `json:"tenant_id"`
	ArtifactFields
	SizeBytes      *int64       `json:"size_bytes" doc:"Size of the content held here; null while none is"`
	UsageCount     int64        `json:"usage_count"`
	AvgImpactScore *float64     `json:"avg_impact_score" doc:"Mean of the usages' impact scores, 0 to 100; null while no usage has one"`
	CreatedBy      *tenancy.ID  `json:"created_by" doc:"The user who recorded it; null once that user is gone"`
	CreatedAt      tenancy.Time `json:"created_at"`
	UpdatedAt      tenancy.Time `json:"updated_at"`
	Revision       int64        `json:"-"` // counts the changes; the ETag is made of it
}

var hashPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Normalise brings tags into their kept form: sorted, each once.
func (f *ArtifactFields) Normalise() {
	slices.Sort(f.Tags)
	f.Tags = slices.Compact(f.Tags)
}

// Validate names every value that is not allowed.
func (f *ArtifactFields) Validate() error {
	var c problem.Checks
	tenancy.CheckName(&c, "body.name", f.Name)
	c.Require(slices.Contains(ArtifactTypes[:], f.Type), "body.type", "must be one of the artifact types")
	tenancy.CheckName(&c, "body.version", f.Version)
	tenancy.CheckText(&c, "body.version", f.Version, 0, MaxVersionRunes)
	tenancy.CheckText(&c, "body.description", f.Description, 0, MaxDescriptionRunes)
	checkTags(&c, "body.tags", f.Tags)
	if f.ContentHash != nil {
		c.Require(hashPattern.MatchString(*f.ContentHash), "body.content_hash", "must be 64 lower-case hexadecimal digits")
	}
	if f.MediaType != "" {
		_, _, err := mime.ParseMediaType(f.MediaType)
		c.Require(err == nil && len(f.MediaType) <= 255, "body.media_type", "must be a media type")
	}
	tenancy.CheckText(&c, "body.storage_uri", f.StorageURI, 0, MaxURIRunes)
	f.Metadata.Check(&c, "body.metadata")
	c.Require(!strings.ContainsAny(f.StorageURI, "\r\n\t "), "body.storage_uri", "must not contain space")
	return c.Err()
}

func checkTags(c *problem.Checks, location string, tags []string) {
	c.Require(len(tags) <= MaxTags, location, "must be at most %d", MaxTags)
	if len(tags) > MaxTags {
		return
	}
	for _, tag := range tags {
		tenancy.CheckName(c, location, tag)
		tenancy.CheckText(c, location, tag, 0, MaxTagRunes)
	}
}
