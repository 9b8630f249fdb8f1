package tracking

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maestro/problem"
	"maestro/tenancy"
)

const (
	idText = "0198c5a0-7e1b-7c3d-8e4f-0123456789ab"
	good   = `{"project_id":"` + idText + `","metric_type":"loss","metric_value":0.5}`
)

func TestDecodePointsReads(t *testing.T) {
	id, err := tenancy.ParseID(idText)
	if err != nil {
		t.Fatal(err)
	}
	loss := func(value float64) Point { return Point{ProjectID: id, MetricType: "loss", MetricValue: value} }
	of := func(value string) string {
		return `{"project_id":"` + idText + `","metric_type":"loss","metric_value":` + value + `}`
	}
	full := loss(0.5)
	full.Timestamp = new(tenancy.Time(1767225600_500000))
	full.Metadata = tenancy.Object(`{"run":7,"note":"é"}`)

	for _, test := range []struct {
		name, body string
		want       []Point
	}{
		{"an empty array", ` [ ] `, []Point{}},
		{"an array", `[` + good + `,` + good + `]`, []Point{loss(0.5), loss(0.5)}},
		{"an array with space everywhere", "\r\n[ \t" + strings.NewReplacer(":", " : ", ",", " , ", "{", "{ ", "}", " }").Replace(good) + "\n, " + good + " ]\n", []Point{loss(0.5), loss(0.5)}},
		{"one point alone", good, []Point{loss(0.5)}},
		{"NDJSON", good + "\n" + good + "\n", []Point{loss(0.5), loss(0.5)}},
		{"NDJSON with empty lines and CRLF", "\n" + good + "\r\n\n \t\n" + good + "\r\n", []Point{loss(0.5), loss(0.5)}},
		{"every field", `[{"metadata":{ "run" : 7 , "note" : "é" },"timestamp":"2026-01-01T01:00:00.5+01:00","metric_value":5e-1,"metric_type":"loss","project_id":"` + idText + `"}]`, []Point{full}},
		{"a date", `[` + strings.Replace(good, `}`, `,"timestamp":"2026-01-01"}`, 1) + `]`, []Point{{ProjectID: id, MetricType: "loss", MetricValue: 0.5, Timestamp: new(tenancy.Time(1767225600_000000))}}},
		{"null where nothing is needed", `[` + strings.Replace(good, `}`, `,"timestamp":null,"metadata":null}`, 1) + `]`, []Point{loss(0.5)}},
		{"escaped names and text", `[{"project\u005fid":"` + strings.Replace(idText, "a", `\u0061`, 1) + `","metric_type":"l\u006fss \ud83c\udfb5\/\"\\","metric_value":1}]`, []Point{{ProjectID: id, MetricType: `loss 🎵/"\`, MetricValue: 1}}},
		{"an empty object", `[` + strings.Replace(good, `}`, `,"metadata":{}}`, 1) + `]`, []Point{{ProjectID: id, MetricType: "loss", MetricValue: 0.5, Metadata: tenancy.Object(`{}`)}}},
		{"numbers", `[` + of("0") + `,` + of("-0.0") + `,` + of("1E+3") + `,` + of("-12.5e-1") + `,` + of("1e-400") + `,` + of("1.7976931348623157e308") + `,` + of("0.1000000000000000055511151231257827021181583404541015625") + `]`,
			[]Point{loss(0), loss(math.Copysign(0, -1)), loss(1000), loss(-1.25), loss(0), loss(math.MaxFloat64), loss(0.1)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := DecodePoints([]byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodePointsRefusesValues(t *testing.T) {
	with := func(field, value string) string {
		return `{"project_id":"` + idText + `","metric_type":"loss","metric_value":1,"` + field + `":` + value + `}`
	}
	for _, test := range []struct {
		name, body string
		want       []string
	}{
		{"nothing given", `[{}]`, []string{"body[0].project_id is required", "body[0].metric_type is required", "body[0].metric_value is required"}},
		{"null where something is needed", `[{"project_id":null,"metric_type":null,"metric_value":null}]`, []string{"body[0].project_id is required", "body[0].metric_type is required", "body[0].metric_value is required"}},
		{"the place is the point's", `[` + good + `,` + good + `,{"project_id":"` + idText + `","metric_type":"loss"}]`, []string{"body[2].metric_value is required"}},
		{"the place in NDJSON", good + "\n\n" + `{"project_id":"` + idText + `","metric_type":"loss"}`, []string{"body[1].metric_value is required"}},
		{"wrong types", `[{"project_id":5,"metric_type":["loss"],"metric_value":"0.5","timestamp":0,"metadata":[]}]`, []string{
			"body[0].project_id must be a string", "body[0].metric_type must be a string", "body[0].metric_value must be a number",
			"body[0].timestamp must be a string", "body[0].metadata is not a JSON object",
		}},
		{"a value that is an object or a truth", `[{"project_id":{},"metric_type":true,"metric_value":{"a":[1]},"timestamp":false,"metadata":"{}"}]`, []string{
			"body[0].project_id must be a string", "body[0].metric_type must be a string", "body[0].metric_value must be a number",
			"body[0].timestamp must be a string", "body[0].metadata is not a JSON object",
		}},
		{"points that are none", `[1,"a",null,[],` + good + `]`, []string{"body[0] must be an object", "body[1] must be an object", "body[2] must be an object", "body[3] must be an object"}},
		{"a line that is no point", good + "\n7\n", []string{"body[1] must be an object"}},
		{"an unknown field", `[` + with("value", `{"deep":[1,{"a":null}]}`) + `]`, []string{"body[0].value is not a field of a point"}},
		{"another case", `[` + with("Metric_Type", `"x"`) + `]`, []string{"body[0].Metric_Type is not a field of a point"}},
		{"an unknown field of great length", `[` + with(strings.Repeat("é", 100_000), `1`) + `]`, []string{"body[0]." + strings.Repeat("é", 100) + "… is not a field of a point"}},
		{"a field twice", `[` + with("metric_value", `2`) + `,` + with("metric_\\u0074ype", `"x"`) + `]`, []string{"body[0].metric_value is given twice", "body[1].metric_type is given twice"}},
		{"a field twice, first null", `[{"metric_value":null,"metric_value":2,"project_id":"` + idText + `","metric_type":"a"}]`, []string{"body[0].metric_value is given twice", "body[0].metric_value is required"}},
		{"overflow", `[{"project_id":"` + idText + `","metric_type":"loss","metric_value":1e309}]`, []string{"body[0].metric_value must be a finite number"}},
		{"overflow below", `[{"project_id":"` + idText + `","metric_type":"loss","metric_value":-1e999999999999}]`, []string{"body[0].metric_value must be a finite number"}},
		{"no id", `[{"project_id":"x","metric_type":"loss","metric_value":1},{"project_id":"` + strings.ToUpper(idText) + `","metric_type":"loss","metric_value":1}]`,
			[]string{"body[0].project_id is not a UUID", "body[1].project_id is not a UUID"}},
		{"the zero id", `[{"project_id":"00000000-0000-0000-0000-000000000000","metric_type":"loss","metric_value":1}]`, []string{"body[0].project_id is required"}},
		{"metric types", `[` + strings.Join([]string{
			strings.Replace(good, `loss`, ``, 1), strings.Replace(good, `loss`, strings.Repeat("x", 101), 1), strings.Replace(good, `loss`, ` loss`, 1),
			strings.Replace(good, `loss`, `a\u0000b`, 1), strings.Replace(good, `loss`, `\ud800`, 1), strings.Replace(good, `loss`, ``, 1), strings.Replace(good, `loss`, `a\b\f\n\r\tb`, 1),
		}, ",") + `]`, []string{
			"body[0].metric_type must not be empty", "body[1].metric_type must be 1 to 100 characters long", "body[2].metric_type must not begin or end with space",
			"body[3].metric_type must not contain control characters", "body[4].metric_type must not contain half of a surrogate pair", "body[5].metric_type must not be empty",
			"body[6].metric_type must not contain control characters",
		}},
		{"times", `[` + with("timestamp", `"1969-12-31T23:59:59Z"`) + `,` + with("timestamp", `"2200-01-01"`) + `,` + with("timestamp", `"yesterday"`) + `,` + with("timestamp", `""`) + `]`, []string{
			"body[0].timestamp must be a time in RFC 3339, or a date, in the years 1970 to 2199", "body[1].timestamp must be a time in RFC 3339, or a date, in the years 1970 to 2199",
			"body[2].timestamp must be a time in RFC 3339, or a date, in the years 1970 to 2199", "body[3].timestamp must be a time in RFC 3339, or a date, in the years 1970 to 2199",
		}},
		{"metadata", `[` + with("metadata", `{"a":"`+strings.Repeat("x", tenancy.MaxObjectBytes)+`"}`) + `,` + with("metadata", `{"a":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`) + `,` + with("metadata", `{"a":"\u0000"}`) + `]`, []string{
			"body[0].metadata must be at most 16384 bytes of JSON", "body[1].metadata must not nest deeper than 32", "body[2].metadata must not contain NUL",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			points, err := DecodePoints([]byte(test.body))
			var p *problem.Error
			if !errors.As(err, &p) || p.Code != problem.Validation || points != nil {
				t.Fatalf("got %d points, %v, want a validation problem", len(points), err)
			}
			var got []string
			for _, v := range p.Violations {
				got = append(got, v.Location+" "+v.Message)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodePointsRefusesWhatIsNotJSON(t *testing.T) {
	for _, test := range []struct {
		name, body string
		place      string // of the violation
		says       string // within the detail
	}{
		{"nothing", "", "body", "line 1, column 1 (byte 0): it is empty"},
		{"space", " \n\t", "body", "line 2, column 2 (byte 3): it is empty"},
		{"a byte order mark", "\ufeff[]", "body", "byte order mark"},
		{"a string", `"x"`, "body", "an array of points, or one point per line,"},
		{"words", `hello`, "body", "'h' stands where"},
		{"an open array", `[`, "body[0]", "it ends where a value should be"},
		{"an open array after a point", `[` + good, "body", "it ends where a comma or ] should be"},
		{"an open object", `[{"metric_value":1`, "body[0]", "it ends where a comma or } should be"},
		{"an open string", `[{"metric_type":"los`, "body[0].metric_type", "it ends within a string"},
		{"an open escape", `[{"metric_type":"los\`, "body[0].metric_type", "no such escape"},
		{"a bad escape", `[{"metric_type":"\x41"}]`, "body[0].metric_type", "no such escape"},
		{"half an escape", `[{"metric_type":"\u00g0"}]`, "body[0].metric_type", "no such escape"},
		{"a control character", "[{\"metric_type\":\"a\nb\"}]", "body[0].metric_type", "must be escaped"},
		{"a trailing comma", `[` + good + `,]`, "body[1]", "']' stands where a value should be"},
		{"a trailing comma in a point", `[{"metric_value":1,}]`, "body[0]", "'}' stands where a name in quotes should be"},
		{"no comma", `[` + good + good + `]`, "body", "'{' stands where a comma or ] should be"},
		{"no colon", `[{"metric_value" 1}]`, "body[0].metric_value", "'1' stands where a colon should be"},
		{"no value", `[{"metric_value":}]`, "body[0].metric_value", "'}' stands where a number should be"},
		{"a bare name", `[{metric_value:1}]`, "body[0]", "'m' stands where a name in quotes should be"},
		{"single quotes", `[{'metric_value':1}]`, "body[0]", "'\\'' stands where"},
		{"a comment", `[/* */]`, "body[0]", "'/' stands where"},
		{"NaN", "[" + good + ",\n {\"metric_value\": NaN}]", "body[1].metric_value", "line 2, column 19 (byte 114): JSON has no NaN and no Infinity"},
		{"Infinity", `[{"metric_value":Infinity}]`, "body[0].metric_value", "JSON has no NaN and no Infinity"},
		{"minus Infinity", `[{"metric_value":-Infinity}]`, "body[0].metric_value", "JSON has no NaN and no Infinity"},
		{"nan", `[{"metric_value":nan}]`, "body[0].metric_value", "'n' stands where a value should be"},
		{"a minus alone", `[{"metric_value":-}]`, "body[0].metric_value", "'-' stands where a number should be"},
		{"a plus", `[{"metric_value":+1}]`, "body[0].metric_value", "'+' stands where"},
		{"a leading zero", `[{"metric_value":01}]`, "body[0]", "'1' stands where a comma or } should be"},
		{"a point without digits", `[{"metric_value":1.}]`, "body[0].metric_value", "'}' stands where a digit should be"},
		{"an exponent without digits", `[{"metric_value":1e+}]`, "body[0].metric_value", "'}' stands where a digit should be"},
		{"hexadecimal", `[{"metric_value":0x10}]`, "body[0]", "'x' stands where a comma or } should be"},
		{"wrong brackets within metadata", `[{"metadata":{"a":[1}]}]`, "body[0].metadata", "'}' stands where a comma or the end"},
		{"no name within metadata", `[{"metadata":{1:2}}]`, "body[0].metadata", "'1' stands where a name in quotes should be"},
		{"no colon within metadata", `[{"metadata":{"a"}}]`, "body[0].metadata", "'}' stands where a colon should be"},
		{"a bad word", `[{"metadata":{"a":truth}}]`, "body[0].metadata", "'t' stands where a value should be"},
		{"broken UTF-8", "[{\"metric_type\":\"é\xff\"}]", "body", "line 1, column 19 (byte 19): it is not UTF-8"},
		{"a surrogate in UTF-8", "[{\"metric_type\":\"\xed\xa0\x80\"}]", "body", "it is not UTF-8"},
		{"more after the array", `[` + good + `] x`, "body", "'x' stands where the end should be"},
		{"two arrays", `[][]`, "body", "'[' stands where the end should be"},
		{"NUL after the array", "[]\x00", "body", `'\x00' stands where the end should be`},
		{"two points on one line", good + " " + good, "body", "'{' stands where a line end should be"},
		{"a comma between lines", good + "\n," + good, "body[1]", "',' stands where a value should be"},
		{"ten thousand brackets in an unknown field", `[{"x":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}]`, "body[0].x", "it is nested too deep"},
		{"a million open brackets", strings.Repeat("[", 1_000_000), "body[0]", "it is nested too deep"},
	} {
		t.Run(test.name, func(t *testing.T) {
			points, err := DecodePoints([]byte(test.body))
			var p *problem.Error
			if !errors.As(err, &p) || p.Code != problem.Malformed || points != nil {
				t.Fatalf("got %d points, %v, want a malformed problem", len(points), err)
			}
			if !strings.Contains(p.Detail, test.says) {
				t.Errorf("the detail %q does not say %q", p.Detail, test.says)
			}
			if len(p.Violations) != 1 || p.Violations[0].Location != test.place {
				t.Errorf("got violations %+v, want one at %s", p.Violations, test.place)
			}
		})
	}
}

func TestDecodePointsBounds(t *testing.T) {
	batch := func(n int) []byte { return []byte("[" + strings.TrimSuffix(strings.Repeat(good+",", n), ",") + "]") }
	t.Run("the greatest batch", func(t *testing.T) {
		points, err := DecodePoints(batch(MaxBatchPoints))
		if err != nil || len(points) != MaxBatchPoints {
			t.Errorf("got %d points, %v", len(points), err)
		}
	})
	for name, body := range map[string][]byte{
		"one more":             batch(MaxBatchPoints + 1),
		"one more, in lines":   []byte(strings.Repeat(good+"\n", MaxBatchPoints+1)),
		"and not JSON further": append(batch(MaxBatchPoints + 1)[:(MaxBatchPoints+1)*(len(good)+1)], "!!"...),
	} {
		t.Run(name, func(t *testing.T) {
			points, err := DecodePoints(body)
			want := &problem.Error{Code: problem.Validation, Detail: "Some values are not allowed.", Violations: []problem.Violation{{Location: "body", Message: "must have at most 10000 points"}}}
			if diff := cmp.Diff(want, err); diff != "" || points != nil {
				t.Errorf("got %d points; %s", len(points), diff)
			}
		})
	}
	t.Run("every violation is counted, a hundred are listed", func(t *testing.T) {
		_, err := DecodePoints([]byte("[" + strings.TrimSuffix(strings.Repeat("{},", 1000), ",") + "]"))
		var p *problem.Error
		if !errors.As(err, &p) || len(p.Violations) != 100 || !strings.Contains(p.Detail, "2900 more") {
			t.Errorf("got %.200v", err)
		}
	})
}

func TestDecodePointsKeepsNothingOfTheBody(t *testing.T) {
	body := []byte("[" + strings.Replace(good, "}", `,"metadata":{"a":"b"}}`, 1) + "]")
	got, err := DecodePoints(body)
	if err != nil {
		t.Fatal(err)
	}
	for i := range body {
		body[i] = 'x'
	}
	if got[0].MetricType != "loss" || string(got[0].Metadata) != `{"a":"b"}` {
		t.Errorf("the point changed with the body: %+v", got[0])
	}
}

var anyPoint = rapid.Custom(func(t *rapid.T) Point {
	id := rapid.OneOf(anyID, rapid.Just(tenancy.ID{1}))
	return Point{
		ProjectID: id.Draw(t, "project_id"), MetricType: rapid.OneOf(rapid.StringMatching(`[a-z_]{1,20}`), rapid.String()).Draw(t, "metric_type"),
		MetricValue: anyFinite.Draw(t, "metric_value"), Timestamp: rapid.Ptr(anyTime, true).Draw(t, "timestamp"), Metadata: anyObject.Draw(t, "metadata"),
	}
})

// What encoding/json writes of a valid point is read back the same.
func TestDecodePointsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Point {
			p := anyPoint.Filter(func(p Point) bool {
				var c problem.Checks
				p.Check(&c, "")
				return c.Err() == nil
			}).Draw(t, "point")
			return p
		}), 0, 20).Draw(t, "points")
		array, err := json.Marshal(points)
		if err != nil {
			t.Fatal(err)
		}
		var spaced, lines bytes.Buffer
		if err := json.Indent(&spaced, array, "\t", "  "); err != nil {
			t.Fatal(err)
		}
		for _, p := range points {
			if err := json.NewEncoder(&lines).Encode(p); err != nil {
				t.Fatal(err)
			}
		}
		var want []Point // as encoding/json reads it: no metadata has become {}
		if err := json.Unmarshal(array, &want); err != nil {
			t.Fatal(err)
		}
		for _, body := range [][]byte{array, spaced.Bytes(), lines.Bytes()} {
			if len(body) == 0 {
				continue
			}
			got, err := DecodePoints(body)
			if err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s: %s", body, diff)
			}
		}
	})
}

// anyBatch is a batch with a few faults in it.
var anyBatch = rapid.Custom(func(t *rapid.T) []byte {
	value := rapid.OneOf(
		rapid.SampledFrom([]string{
			`1`, `-0.5e3`, `1e999`, `01`, `"x"`, `""`, `null`, `true`, `{}`, `[]`, `{ "a" : [1, 2] }`, `{"a":"\ud800"}`, `{"a":"\u0000"}`, `"\ud83c\udfb5"`, `"\ud83c"`,
			`"2026-01-01"`, `"2200-01-01"`, `"` + idText + `"`, `NaN`, `-`, `"a b "`, "\"\xff\"", `{"a":1,"a":2}`, `{"a":{"b":{"c":[[[]]]}}}`,
		}),
		rapid.Map(anyFinite, func(f float64) string { b, _ := json.Marshal(f); return string(b) }),
		rapid.Map(rapid.String(), func(s string) string { b, _ := json.Marshal(s); return string(b) }),
	)
	name := rapid.SampledFrom([]string{"project_id", "metric_type", "metric_value", "timestamp", "metadata", "metric\\u005ftype", "Metric_Type", "other", ""})
	point := rapid.Custom(func(t *rapid.T) string {
		members := []string{`"project_id":"` + idText + `"`, `"metric_type":"loss"`, `"metric_value":1`}
		for range rapid.IntRange(0, 2).Draw(t, "faults") {
			member := `"` + name.Draw(t, "name") + `":` + value.Draw(t, "value")
			if at := rapid.IntRange(0, len(members)).Draw(t, "at"); at == len(members) {
				members = append(members, member)
			} else {
				members[at] = member
			}
		}
		return "{" + strings.Join(members, rapid.SampledFrom([]string{",", ", ", "\n,"}).Draw(t, "comma")) + "}"
	})
	points := rapid.SliceOfN(rapid.OneOf(point, value), 0, 4).Draw(t, "points")
	if rapid.Bool().Draw(t, "lines") {
		return []byte(strings.Join(points, rapid.SampledFrom([]string{"\n", "\r\n", "\n\n", " "}).Draw(t, "end")))
	}
	return []byte("[" + strings.Join(points, ",") + "]" + rapid.SampledFrom([]string{"", "\n", "x"}).Draw(t, "tail"))
})

func TestDecodePointsIsAsStrictAsTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { compareWithReference(t, anyBatch.Draw(t, "body")) })
}

func FuzzDecodePoints(f *testing.F) {
	for _, body := range []string{
		"[" + good + "]", good + "\n" + good, `[]`, `[{}]`, `[{"project_id":"` + idText + `","metric_type":"a","metric_value":1e3,"timestamp":"2026-01-01T00:00:00Z","metadata":{"a": [1, "\u00e9", null]}}]`,
		`[{"metric_value":NaN}]`, `[{"metric_type":"\ud83c\udfb5"}]`, `{"a":{"b":[true,false]}}`, "\xff", `[1,2`, `{"metric_value":1,"metric_value":2}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { compareWithReference(t, body) })
}

// compareWithReference decodes body in both ways: both must come to the same
// verdict, the same places and the same points.
func compareWithReference(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, body []byte) {
	t.Helper()
	given := bytes.Clone(body)
	got, err := DecodePoints(body)
	if !bytes.Equal(body, given) {
		t.Fatalf("the body was changed")
	}
	want, code, places := referencePoints(body)
	if problem.CodeOf(err) != code {
		t.Fatalf("%q: got %v, want code %q at %v", body, err, code, places)
	}
	var p *problem.Error
	switch {
	case code == "":
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q: %s", body, diff)
		}
	case errors.As(err, &p) && code == problem.Validation && len(places) < problem.MaxViolations:
		found := map[string]bool{}
		for _, v := range p.Violations {
			found[v.Location] = true
		}
		if diff := cmp.Diff(places, found); diff != "" {
			t.Fatalf("%q: %s", body, diff)
		}
	}
}

func BenchmarkDecodePoints(b *testing.B) {
	of := func(tail string) []byte {
		var body bytes.Buffer
		for i := range 1000 {
			fmt.Fprintf(&body, `,{"project_id":"%s","metric_type":"%s","metric_value":%g,"timestamp":"2026-01-01T00:%02d:%02d.123456Z"%s}`,
				idText, []string{"loss", "accuracy", "commits_per_week"}[i%3], float64(i)*1.37, i/60, i%60, tail)
		}
		body.WriteByte(']')
		body.Bytes()[0] = '['
		return body.Bytes()
	}
	for name, body := range map[string][]byte{"plain": of(""), "metadata": of(`,"metadata":{"run":7,"step":12}`)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := DecodePoints(body); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/encoding-json", func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				var points []Point
				if err := json.Unmarshal(body, &points); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
