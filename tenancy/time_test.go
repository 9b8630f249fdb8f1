package tenancy

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var anyTime = rapid.Custom(func(t *rapid.T) Time {
	return Time(rapid.Int64Range(int64(MinTime), int64(EndTime)-1).Draw(t, "µs"))
})

func TestTimeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		instant := anyTime.Draw(t, "time")
		text := instant.String()
		if want := instant.Std().Format(timeLayout); text != want {
			t.Fatalf("got %q, want %q", text, want)
		}
		parsed, err := ParseTime(text)
		if err != nil || parsed != instant {
			t.Fatalf("%q: got %v, %v", text, parsed, err)
		}
		encoded, err := json.Marshal(instant)
		if err != nil || string(encoded) != `"`+text+`"` {
			t.Fatalf("JSON: got %s, %v", encoded, err)
		}
		appended, err := instant.AppendText([]byte("x"))
		if err != nil || string(appended) != "x"+text {
			t.Fatalf("appended: got %q, %v", appended, err)
		}
		if TimeOf(instant.Std()) != instant {
			t.Fatalf("through time.Time: got %v, want %v", TimeOf(instant.Std()), instant)
		}
	})
}

// An instant means the same in every offset.
func TestTimeOffsets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		instant := anyTime.Draw(t, "time")
		zone := time.FixedZone("", 60*rapid.IntRange(-23*60, 23*60).Draw(t, "minutes east"))
		text := instant.Std().In(zone).Format(time.RFC3339Nano)
		if strings.HasPrefix(text, "1969") || strings.HasPrefix(text, "2200") {
			t.Skip("the offset leads outside")
		}
		if parsed, err := ParseTime(text); err != nil || parsed != instant {
			t.Fatalf("%q: got %v, %v, want %v", text, parsed, err, instant)
		}
	})
}

func TestParseTime(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"2026-01-31T23:59:59Z", "2026-01-31T23:59:59.000000Z"},
		{"2026-01-31T23:59:59.5+01:30", "2026-01-31T22:29:59.500000Z"},
		{"2026-01-31T23:59:59.123456789Z", "2026-01-31T23:59:59.123456Z"},
		{"2026-01-31", "2026-01-31T00:00:00.000000Z"},
		{"1970-01-01", "1970-01-01T00:00:00.000000Z"},
		{"2199-12-31T23:59:59.999999999Z", "2199-12-31T23:59:59.999999Z"},
		{"2024-02-29", "2024-02-29T00:00:00.000000Z"},
	} {
		if got, err := ParseTime(test.text); err != nil || got.String() != test.want {
			t.Errorf("%q: got %v, %v, want %s", test.text, got, err, test.want)
		}
	}
	for name, text := range map[string]string{
		"nothing":               "",
		"before 1970":           "1969-12-31T23:59:59.9999999Z",
		"before 1970 by offset": "1970-01-01T00:00:00+00:01",
		"after 2199":            "2200-01-01",
		"the year 9999":         "9999-12-31T23:59:59Z",
		"no offset":             "2026-01-31T23:59:59",
		"an hour of one digit":  "2026-01-31T3:59:59Z",
		"a comma":               "2026-01-31T23:59:59,5Z",
		"a space":               "2026-01-31 23:59:59Z",
		"no such day":           "2026-02-29",
		"the 32nd":              "2026-01-32T00:00:00Z",
		"a leap second":         "2016-12-31T23:59:60Z",
		"an offset of 25 hours": "2026-01-31T23:59:59+25:00",
		"a number":              "1767225600",
		"words":                 "yesterday!",
		"ten million bytes":     strings.Repeat("2", 10_000_000),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := ParseTime(text); err == nil {
				t.Errorf("accepted as %v", got)
			}
		})
	}
	t.Run("a refused text leaves the time alone", func(t *testing.T) {
		instant := Time(5)
		if err := instant.UnmarshalText([]byte("2200-01-01")); err == nil || instant != 5 {
			t.Errorf("got %v, %v", instant, err)
		}
	})
}

// A document keeps what is no time as NoTime, for the validation to name.
func TestTimeFromJSON(t *testing.T) {
	for _, test := range []struct {
		in   string
		want Time
	}{
		{`"2026-01-01"`, 1767225600_000000},
		{`"2026\u002d01-01"`, 1767225600_000000},
		{`"2200-01-01"`, NoTime},
		{`"yesterday"`, NoTime},
		{`""`, NoTime},
		{`5`, NoTime},
		{`{}`, NoTime},
	} {
		var got struct{ At *Time }
		if err := json.Unmarshal([]byte(`{"At":`+test.in+`}`), &got); err != nil || got.At == nil || *got.At != test.want {
			t.Errorf("%s: got %v, %v, want %v", test.in, got.At, err, test.want)
		}
	}
	got := struct{ At *Time }{new(Time)}
	if err := json.Unmarshal([]byte(`{"At":null}`), &got); err != nil || got.At != nil {
		t.Errorf("null: got %v, %v", got.At, err)
	}
}

// Instants that no input may name still print: a clock can be wrong.
func TestTimeOutsideTheYears(t *testing.T) {
	for _, test := range []struct {
		instant Time
		want    string
	}{
		{-1, "1969-12-31T23:59:59.999999Z"},
		{EndTime, "2200-01-01T00:00:00.000000Z"},
	} {
		if got := test.instant.String(); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

func TestDays(t *testing.T) {
	start, _ := ParseTime("2024-02-28")
	later, _ := ParseTime("2024-03-01T12:00:00Z")
	if got := start.Days(later); got != 2.5 {
		t.Errorf("got %v, want 2.5", got)
	}
	if got := later.Days(start); got != -2.5 {
		t.Errorf("backwards: got %v, want -2.5", got)
	}
}

func BenchmarkTimeAppendText(b *testing.B) {
	instant := Time(1767225600_123456)
	var buffer [64]byte
	b.ReportAllocs()
	for b.Loop() {
		_, _ = instant.AppendText(buffer[:0])
	}
}
