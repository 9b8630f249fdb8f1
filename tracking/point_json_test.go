package tracking

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"maestro/tenancy"
)

func TestPointAppendJSONIsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &Point{
			ProjectID: anyID.Draw(t, "project_id"), MetricType: anyText.Draw(t, "metric_type"), MetricValue: anyFinite.Draw(t, "metric_value"),
			Timestamp: rapid.Ptr(anyTime, true).Draw(t, "timestamp"), Metadata: anyObject.Draw(t, "metadata"),
		}
		if got, want := string(p.AppendJSON([]byte("x"))), "x"+standard(t, p); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
	t.Run("every field set", func(t *testing.T) {
		p := &Point{ProjectID: tenancy.ID{1}, MetricType: "commits_per_week", MetricValue: 12.5, Timestamp: new(tenancy.Time(1)), Metadata: tenancy.Object(`{"a":1}`)}
		requireEverySet(t, reflect.ValueOf(p).Elem())
		if got, want := string(p.AppendJSON(nil)), standard(t, p); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}
