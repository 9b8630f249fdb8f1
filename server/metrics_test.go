package server

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"maestro/problem"
	"maestro/tenancy"
)

// metricPage is a page of points, as JSON carries them.
type metricPage struct {
	Items []struct {
		ProjectID   string         `json:"project_id"`
		MetricType  string         `json:"metric_type"`
		MetricValue float64        `json:"metric_value"`
		Timestamp   string         `json:"timestamp"`
		Metadata    map[string]any `json:"metadata"`
	}
	NextCursor *string `json:"next_cursor"`
}

func (p metricPage) values() []float64 {
	values := make([]float64, 0, len(p.Items))
	for _, item := range p.Items {
		values = append(values, item.MetricValue)
	}
	return values
}

func (c *caller) project(name string) (id string) {
	c.t.Helper()
	return c.send("POST", "/projects", `{"name":"`+name+`"}`).want(201).object()["id"].(string)
}

func (c *caller) metrics(path string) (page metricPage) {
	c.t.Helper()
	c.send("GET", path, "").want(200).into(&page)
	return page
}

func TestAPointIsRecordedAndRead(t *testing.T) {
	w := newWorld(t)
	id := w.acme.project("p")
	given := `{"project_id":"` + id + `","metric_type":"commits_per_week","metric_value":12.5,"timestamp":"2024-05-01T09:00:00+02:00","metadata":{"branch":"main"}}`
	stored := w.acme.send("POST", "/metrics", given).want(201)
	want := strings.Replace(given, "2024-05-01T09:00:00+02:00", "2024-05-01T07:00:00.000000Z", 1)
	if stored.body != want {
		t.Errorf("stored %s\nwant   %s", stored.body, want)
	}
	if read := w.viewer.send("GET", "/projects/"+id+"/metrics", "").want(200); read.body != `{"items":[`+want+`],"next_cursor":null}` {
		t.Errorf("read %s", read.body)
	}
	now := w.acme.send("POST", "/metrics", `{"project_id":"`+id+`","metric_type":"m","metric_value":0}`).want(201).object()
	if at, err := tenancy.ParseTime(now["timestamp"].(string)); err != nil || at < 1_600_000_000_000_000 {
		t.Errorf("a point without a timestamp is stored as %v", now)
	}
}

func TestEveryWrongValueOfAPointIsNamed(t *testing.T) {
	w := newWorld(t)
	id, theirs := w.acme.project("p"), w.beta.project("p")
	point := func(members string) string { return `{"project_id":"` + id + `",` + members + `}` }
	for _, test := range []struct {
		name, body string
		code       problem.Code
		places     []string
	}{
		{"everything", `{"project_id":"x","metric_type":"","metric_value":"1","timestamp":"1969-12-31","metadata":[],"tenant_id":"y"}`, problem.Validation,
			[]string{"body.project_id", "body.metric_type", "body.metric_value", "body.timestamp", "body.metadata", "body.tenant_id"}},
		{"nothing", `{}`, problem.Validation, []string{"body.project_id", "body.metric_type", "body.metric_value"}},
		{"after 2199", point(`"metric_type":"m","metric_value":1,"timestamp":"2200-01-01"`), problem.Validation, []string{"body.timestamp"}},
		{"another tenant's project", `{"project_id":"` + theirs + `","metric_type":"m","metric_value":1}`, problem.Validation, []string{"body.project_id"}},
		{"no such project", `{"project_id":"` + tenancy.NewID().String() + `","metric_type":"m","metric_value":1}`, problem.Validation, []string{"body.project_id"}},
		{"a control character", point(`"metric_type":"a\u0000b","metric_value":1`), problem.Validation, []string{"body.metric_type"}},
		{"a long type", point(`"metric_type":"` + strings.Repeat("é", 101) + `","metric_value":1`), problem.Validation, []string{"body.metric_type"}},
		{"NaN", point(`"metric_type":"m","metric_value":NaN`), problem.Malformed, nil},
		{"1e999", point(`"metric_type":"m","metric_value":1e999`), problem.Malformed, nil},
		{"broken UTF-8", point("\"metric_type\":\"a\xff\",\"metric_value\":1"), problem.Malformed, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := w.acme.in(t).send("POST", "/metrics", test.body).problem(test.code)
			if test.places == nil {
				return
			}
			places := slices.DeleteFunc(p.places(), func(place string) bool { return place == "body" })
			if diff := cmp.Diff(test.places, places, cmpopts.SortSlices(strings.Compare)); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, c := range []*caller{w.acme, w.beta} {
		for _, p := range []string{id, theirs} {
			if a := c.send("GET", "/projects/"+p+"/metrics/summary", ""); a.status == 200 && a.body != `{"items":[],"next_cursor":null}` {
				t.Errorf("a refused point left %s", a.body)
			}
		}
	}
}

func TestABatchIsRecordedInEitherForm(t *testing.T) {
	w := newWorld(t)
	id := w.acme.project("p")
	lines := make([]string, 5)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"project_id":%q,"metric_type":"m","metric_value":%d,"timestamp":"2024-05-0%dT00:00:00Z"}`, id, i, i+1)
	}
	for _, test := range []struct{ name, body, mediaType string }{
		{"an array", "[" + strings.Join(lines, ",") + "]", "application/json"},
		{"lines", strings.Join(lines, "\n") + "\n", "application/x-ndjson"},
	} {
		t.Run(test.name, func(t *testing.T) {
			accepted := w.acme.in(t).send("POST", "/metrics/batch", test.body, "Content-Type", test.mediaType).want(201)
			if accepted.body != `{"accepted":5}` || accepted.header.Get("Content-Type") != "application/json" {
				t.Errorf("answered %s as %s", accepted.body, accepted.header.Get("Content-Type"))
			}
		})
	}
	if got := w.acme.metrics("/projects/" + id + "/metrics").values(); !slices.Equal(got, []float64{0, 0, 1, 1, 2, 2, 3, 3, 4, 4}) {
		t.Errorf("recorded %v", got)
	}
	if got := w.acme.send("POST", "/metrics/batch", `[]`).want(201); got.body != `{"accepted":0}` {
		t.Errorf("nothing is answered with %s", got.body)
	}
	w.viewer.send("POST", "/metrics/batch", `[]`).problem(problem.Forbidden)
	w.nobody.send("POST", "/metrics/batch", `[]`).problem(problem.Unauthenticated)
}

func TestARefusedBatchLeavesNothing(t *testing.T) {
	w := newWorld(t)
	id, theirs := w.acme.project("p"), w.beta.project("p")
	good := `{"project_id":"` + id + `","metric_type":"m","metric_value":1}`
	with := func(members string) string {
		return `[` + good + `,{"project_id":"` + id + `",` + members + `},` + good + `]`
	}
	for _, test := range []struct {
		name, body string
		code       problem.Code
		places     []string
	}{
		{"another tenant's project", `[` + good + `,` + strings.Replace(good, id, theirs, 1) + `]`, problem.Validation, []string{"body[1].project_id"}},
		{"no such project", `[` + strings.Replace(good, id, tenancy.NewID().String(), 1) + `,` + good + `]`, problem.Validation, []string{"body[0].project_id"}},
		{"1e999", with(`"metric_type":"m","metric_value":1e999`), problem.Validation, []string{"body[1].metric_value"}},
		{"before 1970", with(`"metric_type":"m","metric_value":1,"timestamp":"1969-12-31T23:59:59Z"`), problem.Validation, []string{"body[1].timestamp"}},
		{"after 2199", with(`"metric_type":"m","metric_value":1,"timestamp":"2200-01-01"`), problem.Validation, []string{"body[1].timestamp"}},
		{"an unknown field", with(`"metric_type":"m","metric_value":1,"tenant_id":"x"`), problem.Validation, []string{"body[1].tenant_id"}},
		{"several", `[{"project_id":"x","metric_type":"","metric_value":"1","timestamp":5,"metadata":[]},` + good + `,{}]`, problem.Validation,
			[]string{"body[0].project_id", "body[0].metric_type", "body[0].metric_value", "body[0].timestamp", "body[0].metadata",
				"body[2].project_id", "body[2].metric_type", "body[2].metric_value"}},
		{"10 001 points", `[` + strings.Repeat(good+",", 10_000) + good + `]`, problem.Validation, []string{"body"}},
		{"NaN", with(`"metric_type":"m","metric_value":NaN`), problem.Malformed, []string{"body[1].metric_value"}},
		{"broken UTF-8", with("\"metric_type\":\"a\xff\",\"metric_value\":1"), problem.Malformed, nil},
		{"half an array", `[` + good + `,`, problem.Malformed, nil},
		{"a text", `"points"`, problem.Malformed, nil},
		{"no body", ``, problem.Malformed, nil},
		{"a body too large", `[` + strings.Repeat(" ", maxBatchBody) + `]`, problem.TooLarge, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := w.acme.in(t).send("POST", "/metrics/batch", test.body).problem(test.code)
			if test.places == nil {
				return
			}
			if diff := cmp.Diff(test.places, p.places()); diff != "" {
				t.Error(diff)
			}
		})
	}
	w.acme.send("POST", "/metrics/batch", "a,b\n1,2\n", "Content-Type", "text/csv").problem(problem.UnsupportedMedia)
	w.acme.send("POST", "/metrics/batch", `[`+good+`]`, "Idempotency-Key", strings.Repeat("k", 256)).problem(problem.Validation)
	for c, project := range map[*caller]string{w.acme: id, w.beta: theirs} {
		for _, path := range []string{"/metrics", "/metrics/summary"} {
			if a := c.send("GET", "/projects/"+project+path, "").want(200); a.body != `{"items":[],"next_cursor":null}` {
				t.Errorf("refused batches left %s", a.body)
			}
		}
	}
}

func TestARepeatedBatchRecordsOnce(t *testing.T) {
	w := newWorld(t)
	id := w.acme.project("p")
	point := `{"project_id":"` + id + `","metric_type":"m","metric_value":1}`
	for _, test := range []struct{ path, body, other string }{
		{"/metrics", point, strings.Replace(point, ":1}", ":2}", 1)},
		{"/metrics/batch", "[" + point + "," + point + "]", "[" + point + "]"},
	} {
		first := w.acme.send("POST", test.path, test.body, "Idempotency-Key", test.path).want(201)
		again := w.acme.send("POST", test.path, test.body, "Idempotency-Key", test.path).want(201)
		if again.body != first.body || first.header.Get("Idempotency-Replayed") != "" || again.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s: first %s, again %s (%v)", test.path, first.body, again.body, again.header)
		}
		w.acme.send("POST", test.path, test.other, "Idempotency-Key", test.path).problem(problem.IdempotencyMismatch)
	}
	if got := len(w.acme.metrics("/projects/" + id + "/metrics").Items); got != 3 {
		t.Errorf("%d points are recorded, want 3", got)
	}
}

// series records n points of two types, a day apart, and returns their project.
func (c *caller) series(n int) (project string) {
	c.t.Helper()
	project = c.project("series")
	lines := make([]string, 0, 2*n)
	start, _ := tenancy.ParseTime("2024-01-01")
	for i := range n {
		at := start + tenancy.Time(i)*86_400_000_000
		lines = append(lines, fmt.Sprintf(`{"project_id":%q,"metric_type":"a b","metric_value":%d,"timestamp":%q}`, project, i, at),
			fmt.Sprintf(`{"project_id":%q,"metric_type":"z","metric_value":%d,"timestamp":%q}`, project, -i, at))
	}
	c.send("POST", "/metrics/batch", strings.Join(lines, "\n"), "Content-Type", "application/x-ndjson").want(201)
	return project
}

func TestPointsAreListed(t *testing.T) {
	w := newWorld(t)
	path := "/projects/" + w.acme.series(6) + "/metrics"
	for _, test := range []struct {
		query string
		want  []float64
	}{
		{"", []float64{0, 1, 2, 3, 4, 5, 0, -1, -2, -3, -4, -5}},
		{"?metric_type=a+b", []float64{0, 1, 2, 3, 4, 5}},
		{"?metric_type=a+b&sort=-timestamp", []float64{5, 4, 3, 2, 1, 0}},
		{"?metric_type=z&from=2024-01-02&until=2024-01-04", []float64{-1, -2}},
		{"?metric_type=z&from=2024-01-03T00:00:00.000001Z", []float64{-3, -4, -5}},
		{"?metric_type=missing", []float64{}},
		{"?metric_type=a+b&points=2", []float64{0, 5}},
		{"?metric_type=a+b&points=2&sort=-timestamp", []float64{5, 0}},
		{"?metric_type=a+b&points=100&from=2024-01-05", []float64{4, 5}},
		{"?metric_type=missing&points=100", []float64{}},
	} {
		if diff := cmp.Diff(test.want, w.viewer.metrics(path+test.query).values()); diff != "" {
			t.Errorf("%s: %s", test.query, diff)
		}
	}
	var paged []float64
	for cursor := ""; ; {
		page := w.acme.metrics(path + "?limit=5&cursor=" + url.QueryEscape(cursor))
		paged = append(paged, page.values()...)
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	if !slices.Equal(paged, []float64{0, 1, 2, 3, 4, 5, 0, -1, -2, -3, -4, -5}) {
		t.Errorf("paged through %v", paged)
	}
	for query, place := range map[string]string{
		"points=1&metric_type=z": "query.points", "points=10001&metric_type=z": "query.points", "points=x&metric_type=z": "query.points",
		"points=10": "query.metric_type", "points=10&metric_type=z&cursor=x": "query.cursor", "sort=value": "query.sort", "limit=501": "query.limit",
		"from=yesterday": "query.from", "until=2200-01-01": "query.until", "type=z": "query.type", "metric_type=" + strings.Repeat("x", 101): "query.metric_type",
	} {
		if p := w.acme.send("GET", path+"?"+query, "").problem(problem.Validation); !slices.Contains(p.places(), place) {
			t.Errorf("?%s names %v, want %s", query, p.places(), place)
		}
	}
	w.acme.send("GET", path+"?cursor=AAAA", "").problem(problem.Malformed)
}

func TestMetricsAreSummarized(t *testing.T) {
	w := newWorld(t)
	path := "/projects/" + w.acme.series(5)
	want := `{"items":[{"metric_type":"a b","count":5,"min":0,"max":4,"mean":2,"latest":4,"first_time":"2024-01-01T00:00:00.000000Z","last_time":"2024-01-05T00:00:00.000000Z"},` +
		`{"metric_type":"z","count":5,"min":-4,"max":0,"mean":-2,"latest":-4,"first_time":"2024-01-01T00:00:00.000000Z","last_time":"2024-01-05T00:00:00.000000Z"}],"next_cursor":null}`
	if got := w.viewer.send("GET", path+"/metrics/summary", "").want(200); got.body != want {
		t.Errorf("got  %s\nwant %s", got.body, want)
	}
	first := w.acme.send("GET", path+"/metrics/summary?limit=1", "").want(200).object()
	rest := w.acme.send("GET", path+"/metrics/summary?limit=1&cursor="+first["next_cursor"].(string), "").want(200).object()
	if items := rest["items"].([]any); len(items) != 1 || items[0].(map[string]any)["metric_type"] != "z" || rest["next_cursor"] != nil {
		t.Errorf("the second page is %v", rest)
	}
}

func TestVelocityAndCollaboration(t *testing.T) {
	w := newWorld(t)
	id := w.acme.project("p")
	if empty := w.acme.send("GET", "/projects/"+id+"/velocity", "").want(200).object(); empty["score"] != nil || empty["formula"] != "velocity/1" {
		t.Errorf("without metrics the velocity is %v", empty)
	}
	for metricType, value := range map[string]float64{"commits_per_week": 10, "pipeline_success_rate": 0.5, "contributors": 5, "commits": 100, "active_branches": 20} {
		w.acme.send("POST", "/metrics", fmt.Sprintf(`{"project_id":%q,"metric_type":%q,"metric_value":%v}`, id, metricType, value)).want(201)
	}
	for path, want := range map[string]float64{"/velocity": 15 + 15, "/collaboration": 20 + 40 + 20} {
		got := w.viewer.send("GET", "/projects/"+id+path, "").want(200).object()
		if got["score"] != want || len(got["parts"].([]any)) != 3 {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
}

// TestMetricsOfOthersAreNotFound answers another tenant's project as one that is
// not there.
func TestMetricsOfOthersAreNotFound(t *testing.T) {
	w := newWorld(t)
	id := w.acme.series(2)
	for _, path := range []string{"/metrics", "/metrics?metric_type=z&points=5", "/metrics/summary", "/velocity", "/collaboration", "/members"} {
		foreign := w.beta.send("GET", "/projects/"+id+path, "")
		foreign.problem(problem.NotFound)
		unknown := w.beta.send("GET", "/projects/"+tenancy.NewID().String()+path, "")
		if a, b := masked(foreign), masked(unknown); a != b {
			t.Errorf("%s: a foreign id answers %s\nan unknown one     %s", path, a, b)
		}
		w.operator.send("GET", "/projects/"+id+path, "").problem(problem.Forbidden)
	}
	w.acme.send("DELETE", "/projects/"+id, "").want(204)
	w.acme.send("GET", "/projects/"+id+"/metrics", "").problem(problem.NotFound)
	w.acme.send("POST", "/metrics", `{"project_id":"`+id+`","metric_type":"z","metric_value":1}`).problem(problem.Validation)
}
