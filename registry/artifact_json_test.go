package registry

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"maestro/tenancy"
)

var (
	anyID = rapid.Custom(func(t *rapid.T) tenancy.ID {
		return tenancy.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	})
	anyTime = rapid.Custom(func(t *rapid.T) tenancy.Time {
		return tenancy.Time(rapid.Int64Range(int64(tenancy.MinTime), int64(tenancy.EndTime)-1).Draw(t, "µs"))
	})

	// anyText has every sort of text, broken UTF-8 included.
	anyText = rapid.OneOf(
		rapid.String(),
		rapid.StringOf(rapid.SampledFrom([]rune("ab<>&\"\\/\x00\b\f\n\r\t\x1f\x7fé\u2028\u2029\ufffd🎵"))),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
	anyObject = rapid.Custom(func(t *rapid.T) tenancy.Object {
		if rapid.Bool().Draw(t, "nil") {
			return nil
		}
		text, err := json.Marshal(rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "object"))
		if err != nil {
			t.Fatal(err)
		}
		return text
	})
	anyArtifact = rapid.Custom(func(t *rapid.T) *Artifact {
		return &Artifact{
			ID: anyID.Draw(t, "id"), TenantID: anyID.Draw(t, "tenant_id"),
			ArtifactFields: ArtifactFields{
				Name: anyText.Draw(t, "name"), Type: anyText.Draw(t, "type"), Version: anyText.Draw(t, "version"),
				Description: anyText.Draw(t, "description"), Tags: rapid.SliceOf(anyText).Draw(t, "tags"),
				ContentHash: rapid.Ptr(anyText, true).Draw(t, "content_hash"), MediaType: anyText.Draw(t, "media_type"),
				StorageURI: anyText.Draw(t, "storage_uri"), IsActive: rapid.Bool().Draw(t, "is_active"), Metadata: anyObject.Draw(t, "metadata"),
			},
			SizeBytes: rapid.Ptr(rapid.Int64(), true).Draw(t, "size_bytes"), UsageCount: rapid.Int64().Draw(t, "usage_count"),
			AvgImpactScore: rapid.Ptr(rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64), true).Draw(t, "avg_impact_score"),
			CreatedBy:      rapid.Ptr(anyID, true).Draw(t, "created_by"), CreatedAt: anyTime.Draw(t, "created_at"),
			UpdatedAt: anyTime.Draw(t, "updated_at"), Revision: rapid.Int64().Draw(t, "revision"),
		}
	})
)

// standard is what encoding/json writes with SetEscapeHTML(false).
func standard(t interface{ Fatal(args ...any) }, value any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestArtifactAppendJSONIsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := anyArtifact.Draw(t, "artifact")
		if got, want := string(a.AppendJSON([]byte("x"))), "x"+standard(t, a); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
	t.Run("the zero artifact", func(t *testing.T) {
		if got, want := string(new(Artifact).AppendJSON(nil)), standard(t, new(Artifact)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
	t.Run("every field set", func(t *testing.T) {
		a := fullArtifact()
		requireEverySet(t, reflect.ValueOf(a).Elem())
		if got, want := string(a.AppendJSON(nil)), standard(t, a); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// requireEverySet fails for a field that fullArtifact forgot, so that a new
// field cannot be missing from both sides of the comparison.
func requireEverySet(t *testing.T, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not set", v.Type().Field(i).Name)
		}
		if v.Type().Field(i).Anonymous {
			requireEverySet(t, v.Field(i))
		}
	}
}

func fullArtifact() *Artifact {
	return &Artifact{
		ID: tenancy.ID{1}, TenantID: tenancy.ID{2},
		ArtifactFields: ArtifactFields{
			Name: "customer_features", Type: "feature_pipeline", Version: "2.1.0", Description: strings.Repeat("Features of a customer. ", 8),
			Tags: []string{"churn", "crm", "tabular"}, ContentHash: new(strings.Repeat("ab", 32)), MediaType: "application/zip",
			StorageURI: "s3://features/customer.zip", IsActive: true, Metadata: tenancy.Object(`{"owner":"crm team"}`),
		},
		SizeBytes: new(int64(48_213)), UsageCount: 17, AvgImpactScore: new(68.4), CreatedBy: new(tenancy.ID{3}),
		CreatedAt: 1735689600_123456, UpdatedAt: 1743465600_654321, Revision: 7,
	}
}

// Tags marshal themselves, so they are compared as plain strings.
func TestTagsAppendJSONIsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tags := rapid.SliceOfN(anyText, 1, 10).Draw(t, "tags")
		if got, want := string(Tags(tags).AppendJSON([]byte("x"))), "x"+standard(t, tags); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
	if got := string(Tags(nil).AppendJSON(nil)); got != `[]` {
		t.Errorf("nil: got %s, want []", got)
	}
}

func TestArtifactAppendJSONAllocatesNothing(t *testing.T) {
	a := fullArtifact()
	b := make([]byte, 0, 4096)
	if got := testing.AllocsPerRun(100, func() { a.AppendJSON(b) }); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

func BenchmarkArtifactAppendJSON(b *testing.B) {
	a := fullArtifact()
	buffer := make([]byte, 0, 4096)
	b.SetBytes(int64(len(a.AppendJSON(nil))))
	b.ReportAllocs()
	for b.Loop() {
		a.AppendJSON(buffer)
	}
}

func BenchmarkArtifactEncodingJSON(b *testing.B) {
	a := fullArtifact()
	var buffer bytes.Buffer
	e := json.NewEncoder(&buffer)
	e.SetEscapeHTML(false)
	b.SetBytes(int64(len(a.AppendJSON(nil))))
	b.ReportAllocs()
	for b.Loop() {
		buffer.Reset()
		if err := e.Encode(a); err != nil {
			b.Fatal(err)
		}
	}
}
