package tracking

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"maestro/problem"
	"maestro/tenancy"
)

func TestMemberValidate(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(f *MemberFields)
		want   []string
	}{
		{"every field", func(*MemberFields) {}, nil},
		{"only what must be", func(f *MemberFields) { *f = MemberFields{Name: "Mina", Role: "other", ExperienceLevel: "junior"} }, nil},
		{"everything wrong at once", func(f *MemberFields) {
			*f = MemberFields{Name: "\x7f", Role: "boss", ExperienceLevel: "guru", ContributionHours: math.NaN(), PerformanceScore: new(100.5)}
		}, []string{"body.name", "body.role", "body.experience_level", "body.contribution_hours", "body.performance_score"}},
		{"nothing", func(f *MemberFields) { *f = MemberFields{} }, []string{"body.name", "body.role", "body.experience_level"}},
		{"texts of ten million bytes", func(f *MemberFields) {
			huge := strings.Repeat("x", 10_000_000)
			f.Name, f.Role, f.ExperienceLevel = huge, huge, huge
		}, []string{"body.name", "body.role", "body.experience_level"}},
		{"hours taken back", func(f *MemberFields) { f.ContributionHours = -1 }, []string{"body.contribution_hours"}},
		{"endless hours", func(f *MemberFields) { f.ContributionHours = math.Inf(1) }, []string{"body.contribution_hours"}},
		{"a score below zero", func(f *MemberFields) { f.PerformanceScore = new(-0.1) }, []string{"body.performance_score"}},
		{"a score that is no number", func(f *MemberFields) { f.PerformanceScore = new(math.NaN()) }, []string{"body.performance_score"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := MemberFields{UserID: new(tenancy.ID{1}), Name: "Mina Okafor", Role: "ml_engineer", ExperienceLevel: "senior", ContributionHours: 120.5, PerformanceScore: new(88.0)}
			test.change(&f)
			if diff := cmp.Diff(test.want, places(t, f.Validate())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPointCheck(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(p *Point)
		want   []string
	}{
		{"every field", func(*Point) {}, nil},
		{"a type of 100 characters", func(p *Point) { p.MetricType = strings.Repeat("é", 100) }, nil},
		{"everything wrong at once", func(p *Point) {
			*p = Point{MetricType: " ", MetricValue: math.Inf(-1), Timestamp: new(tenancy.EndTime)}
		}, []string{"body.project_id", "body.metric_type", "body.metric_value", "body.timestamp"}},
		{"a type of 101 characters", func(p *Point) { p.MetricType = strings.Repeat("é", 101) }, []string{"body.metric_type"}},
		{"a type of ten million bytes", func(p *Point) { p.MetricType = strings.Repeat("\x00", 10_000_000) }, []string{"body.metric_type"}},
		{"no number", func(p *Point) { p.MetricValue = math.NaN() }, []string{"body.metric_value"}},
		{"before 1970", func(p *Point) { p.Timestamp = new(tenancy.Time(-1)) }, []string{"body.timestamp"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := Point{ProjectID: tenancy.ID{1}, MetricType: "loss", MetricValue: -math.MaxFloat64, Timestamp: new(tenancy.Time(0))}
			test.change(&p)
			var c problem.Checks
			p.Check(&c, "body")
			if diff := cmp.Diff(test.want, places(t, c.Err())); diff != "" {
				t.Error(diff)
			}
		})
	}
}
