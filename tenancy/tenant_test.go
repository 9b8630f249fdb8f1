package tenancy

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"maestro/problem"
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

func TestTenantValidate(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(f *TenantFields)
		want   []string
	}{
		{"the defaults", func(*TenantFields) {}, nil},
		{"limits of nothing", func(f *TenantFields) { f.Limits = Limits{} }, nil},
		{"one weight alone", func(f *TenantFields) { f.SuccessWeights = SuccessWeights{DeliverySpeed: 1} }, nil},
		{"a slug of the greatest length", func(f *TenantFields) { f.Slug = strings.Repeat("a", 63) }, nil},
		{"a name of 255 emoji", func(f *TenantFields) { f.Name = strings.Repeat("🎵", 255) }, nil},
		{"everything wrong at once", func(f *TenantFields) {
			*f = TenantFields{Name: " a\x00", Slug: "Ä", Limits: Limits{-1, -1, -1, -1}, SuccessWeights: SuccessWeights{-1, 1.5, math.NaN(), math.Inf(1)}}
		}, []string{
			"body.name", "body.slug", "body.max_users", "body.max_projects", "body.max_artifacts", "body.max_storage_bytes",
			"body.success_weights.model_performance", "body.success_weights.business_impact",
			"body.success_weights.cost_efficiency", "body.success_weights.delivery_speed",
		}},
		{"metadata too large", func(f *TenantFields) { f.Metadata = Object(ofSize(MaxObjectBytes + 1)) }, []string{"body.metadata"}},
		{"no weight at all", func(f *TenantFields) { f.SuccessWeights = SuccessWeights{} }, []string{"body.success_weights"}},
		{"no name", func(f *TenantFields) { f.Name = "" }, []string{"body.name"}},
		{"a name of 256", func(f *TenantFields) { f.Name = strings.Repeat("é", 256) }, []string{"body.name"}},
		{"a name of ten million bytes", func(f *TenantFields) { f.Name = strings.Repeat("\xff", 10_000_000) }, []string{"body.name"}},
		{"a name of broken UTF-8", func(f *TenantFields) { f.Name = "a\xc3(" }, []string{"body.name"}},
		{"a name with a tabulator", func(f *TenantFields) { f.Name = "a\tb" }, []string{"body.name"}},
		{"a name of space", func(f *TenantFields) { f.Name = "\u2003" }, []string{"body.name"}},
		{"a slug of one letter", func(f *TenantFields) { f.Slug = "a" }, []string{"body.slug"}},
		{"a slug of 64", func(f *TenantFields) { f.Slug = strings.Repeat("a", 64) }, []string{"body.slug"}},
		{"a slug with a line end", func(f *TenantFields) { f.Slug = "acme\n" }, []string{"body.slug"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := NewTenantFields("Acme", "acme")
			test.change(&f)
			if diff := cmp.Diff(test.want, places(t, f.Validate())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNewTenantDefaults(t *testing.T) {
	f := NewTenantFields("Acme", "acme")
	want := TenantFields{
		Name: "Acme", Slug: "acme", IsActive: true,
		Limits:         Limits{MaxUsers: 10, MaxProjects: 100, MaxArtifacts: 1000, MaxStorageBytes: 53_687_091_200},
		SuccessWeights: SuccessWeights{0.40, 0.30, 0.15, 0.15},
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Error(diff)
	}
}

func TestCheckText(t *testing.T) {
	for _, test := range []struct {
		name      string
		text      string
		low, high int
		want      string // the first violation's message
	}{
		{"any length from nothing", "", 0, 5, ""},
		{"line ends are text", "a\nb", 0, 5, ""},
		{"code points count, not bytes", "🎵🎵🎵🎵🎵", 1, 5, ""},
		{"nothing where something must be", "", 1, 5, "must not be empty"},
		{"too short", "a", 2, 5, "must be 2 to 5 characters long"},
		{"too long", "abcdef", 0, 5, "must be at most 5 characters long"},
		{"too long, with a lower bound", "abcdef", 1, 5, "must be 1 to 5 characters long"},
		{"far too long", strings.Repeat("a", 10_000_000), 0, 5, "must be at most 5 characters long"},
		{"NUL", "a\x00b", 0, 5, "must not contain NUL"},
		{"broken UTF-8", "a\xff", 0, 5, "must be UTF-8"},
		{"a surrogate in UTF-8", "\xed\xa0\x80", 0, 5, "must be UTF-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c problem.Checks
			CheckText(&c, "body.text", test.text, test.low, test.high)
			got := ""
			var p *problem.Error
			if errors.As(c.Err(), &p) {
				got = p.Violations[0].Message
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestScope(t *testing.T) {
	tenant, actor := NewID(), Actor{ID: NewID(), Kind: ActorAPIToken}
	s := Issue(tenant, actor)
	if s.Tenant() != tenant || s.Actor() != actor {
		t.Errorf("got %v, %v, want %v, %v", s.Tenant(), s.Actor(), tenant, actor)
	}
	if !(Scope{}).Tenant().IsZero() {
		t.Error("the zero Scope reaches a tenant")
	}
}
