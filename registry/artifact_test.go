package registry

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"maestro/problem"
	"maestro/tenancy"
)

// places returns where the violations of err stand, each place once, in order.
func places(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var p *problem.Error
	if !errors.As(err, &p) || p.Code != problem.Validation {
		t.Fatalf("got %v, want a validation problem", err)
	}
	var found []string
	for _, v := range p.Violations {
		if len(found) == 0 || found[len(found)-1] != v.Location {
			found = append(found, v.Location)
		}
	}
	return found
}

func TestArtifactValidate(t *testing.T) {
	huge := strings.Repeat("x", 10_000_000)
	tags := func(n int) []string {
		var tags []string
		for i := range n {
			tags = append(tags, fmt.Sprint("tag", i))
		}
		return tags
	}
	for _, test := range []struct {
		name   string
		change func(f *ArtifactFields)
		want   []string
	}{
		{"every field", func(*ArtifactFields) {}, nil},
		{"only what must be", func(f *ArtifactFields) { *f = ArtifactFields{Name: "x", Type: "report", Version: "1"} }, nil},
		{"the bounds themselves", func(f *ArtifactFields) {
			f.Name, f.Version, f.Description = strings.Repeat("é", 255), strings.Repeat("é", 100), strings.Repeat("🎵", 10_000)
			f.Tags, f.StorageURI = tags(64), "s3://"+strings.Repeat("x", 2043)
			f.Tags[0] = strings.Repeat("é", 64)
		}, nil},
		{"everything wrong at once", func(f *ArtifactFields) {
			*f = ArtifactFields{
				Name: "a\x00", Type: "song", Version: "", Description: "\xff", Tags: []string{"fine", " ", "also fine", "a\nb"},
				ContentHash: new("ABCD"), MediaType: "zip", StorageURI: "s3://a b",
			}
		}, []string{
			"body.name", "body.type", "body.version", "body.description", "body.tags[1]", "body.tags[3]",
			"body.content_hash", "body.media_type", "body.storage_uri",
		}},
		{"texts of ten million bytes", func(f *ArtifactFields) {
			*f = ArtifactFields{Name: huge, Type: huge, Version: huge, Description: huge, Tags: []string{huge}, ContentHash: &huge, MediaType: huge, StorageURI: huge}
		}, []string{
			"body.name", "body.type", "body.version", "body.description", "body.tags[0]", "body.content_hash", "body.media_type", "body.storage_uri",
		}},
		{"65 tags", func(f *ArtifactFields) { f.Tags = tags(65) }, []string{"body.tags"}},
		{"ten thousand empty tags are one violation", func(f *ArtifactFields) { f.Tags = make([]string, 10_000) }, []string{"body.tags"}},
		{"a tag of 65", func(f *ArtifactFields) { f.Tags = []string{strings.Repeat("é", 65)} }, []string{"body.tags[0]"}},
		{"a version with space", func(f *ArtifactFields) { f.Version = "1.0 " }, []string{"body.version"}},
		{"a version of 101", func(f *ArtifactFields) { f.Version = strings.Repeat("1", 101) }, []string{"body.version"}},
		{"a hash in upper case", func(f *ArtifactFields) { f.ContentHash = new(strings.Repeat("AB", 32)) }, []string{"body.content_hash"}},
		{"a hash of 63 digits", func(f *ArtifactFields) { f.ContentHash = new(strings.Repeat("a", 63)) }, []string{"body.content_hash"}},
		{"a hash with a line end", func(f *ArtifactFields) { f.ContentHash = new(strings.Repeat("a", 64) + "\n") }, []string{"body.content_hash"}},
		{"a media type with a parameter", func(f *ArtifactFields) { f.MediaType = "text/plain; charset=utf-8" }, nil},
		{"a media type with a header behind it", func(f *ArtifactFields) { f.MediaType = "text/plain\r\nSet-Cookie: a=b" }, []string{"body.media_type"}},
		{"a media type that is not ASCII", func(f *ArtifactFields) { f.MediaType = `text/plain; a="é"` }, []string{"body.media_type"}},
		{"a path", func(f *ArtifactFields) { f.StorageURI = "/mnt/models/x.onnx" }, nil},
		{"a Windows path", func(f *ArtifactFields) { f.StorageURI = `C:\models\x.onnx` }, nil},
		{"a word that is no scheme", func(f *ArtifactFields) { f.StorageURI = "data" }, nil},
		{"a script", func(f *ArtifactFields) { f.StorageURI = "JavaScript:alert(1)" }, []string{"body.storage_uri"}},
		{"a document within the URI", func(f *ArtifactFields) { f.StorageURI = "data:text/html,<script>" }, []string{"body.storage_uri"}},
		{"a URI with a control character", func(f *ArtifactFields) { f.StorageURI = "s3://a\x1b" }, []string{"body.storage_uri"}},
		{"a URI of broken UTF-8", func(f *ArtifactFields) { f.StorageURI = "s3://\xc3" }, []string{"body.storage_uri"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := fullArtifact().ArtifactFields
			test.change(&f)
			if diff := cmp.Diff(test.want, places(t, f.Validate())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNormaliseTags(t *testing.T) {
	f := ArtifactFields{Tags: []string{"crm", "churn", "crm", "Churn"}}
	f.Normalise()
	if want := []string{"Churn", "churn", "crm"}; !slices.Equal(f.Tags, want) {
		t.Errorf("got %q, want %q", f.Tags, want)
	}
}

func TestUsageValidate(t *testing.T) {
	for _, test := range []struct {
		name  string
		usage UsageFields
		want  []string
	}{
		{"without a score", UsageFields{ProjectID: tenancy.ID{1}}, nil},
		{"the bounds themselves", UsageFields{ProjectID: tenancy.ID{1}, ImpactScore: new(100.0)}, nil},
		{"no project, a score above", UsageFields{ImpactScore: new(100.1)}, []string{"body.project_id", "body.impact_score"}},
		{"a score below", UsageFields{ProjectID: tenancy.ID{1}, ImpactScore: new(-0.1)}, []string{"body.impact_score"}},
		{"a score that is no number", UsageFields{ProjectID: tenancy.ID{1}, ImpactScore: new(math.NaN())}, []string{"body.impact_score"}},
		{"an endless score", UsageFields{ProjectID: tenancy.ID{1}, ImpactScore: new(math.Inf(1))}, []string{"body.impact_score"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, places(t, test.usage.Validate())); diff != "" {
				t.Error(diff)
			}
		})
	}
}
