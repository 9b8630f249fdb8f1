package tenancy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maestro/problem"
)

func TestObjectReads(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"empty", `{}`, `{}`},
		{"null empties", `null`, `{}`},
		{"space goes", "{\n\t\"a\" : [ 1 , 2 ] } ", `{"a":[1,2]}`},
		{"space inside text stays", `{"a b":" c "}`, `{"a b":" c "}`},
		{"numbers keep their spelling", `{"a":1.50e3,"b":12345678901234567890}`, `{"a":1.50e3,"b":12345678901234567890}`},
		{"escapes keep their spelling", `{"a":"\u00e9\n\"\\"}`, `{"a":"\u00e9\n\"\\"}`},
		{"a surrogate pair", `{"a":"\ud83c\udfb5"}`, `{"a":"\ud83c\udfb5"}`},
		{"an escaped backslash before u", `{"a":"\\u0000 \\ud800"}`, `{"a":"\\u0000 \\ud800"}`},
		{"brackets in text are not depth", `{"a":"` + strings.Repeat("[", 500) + `"}`, `{"a":"` + strings.Repeat("[", 500) + `"}`},
		{"the greatest depth", nested(MaxObjectDepth), nested(MaxObjectDepth)},
		{"the greatest size", ofSize(MaxObjectBytes), ofSize(MaxObjectBytes)},
		{"space does not count", strings.Replace(ofSize(MaxObjectBytes), ":", strings.Repeat(" ", 1000)+":", 1), ofSize(MaxObjectBytes)},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := Object(`{"before":true}`)
			if err := o.UnmarshalJSON([]byte(test.in)); err != nil {
				t.Fatal(err)
			}
			got, err := o.MarshalJSON()
			if err != nil || string(got) != test.want {
				t.Errorf("got %s, %v, want %s", got, err, test.want)
			}
			if got := o.AppendJSON([]byte("x")); string(got) != "x"+test.want {
				t.Errorf("appended: got %s", got)
			}
			if found := violations(t, o); len(found) > 0 {
				t.Errorf("violations: %q", found)
			}
		})
	}
}

func TestObjectRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":             ``,
		"an array":            `[]`,
		"a string":            `"{}"`,
		"a number":            `1`,
		"true":                `true`,
		"an open end":         `{"a":1`,
		"two objects":         `{}{}`,
		"a trailing comma":    `{"a":1,}`,
		"a bare name":         `{a:1}`,
		"NaN":                 `{"a":NaN}`,
		"a control character": "{\"a\":\"\x01\"}",
	} {
		t.Run(name, func(t *testing.T) {
			o := Object(`{"before":true}`)
			if err := o.UnmarshalJSON([]byte(in)); err == nil {
				t.Fatal("accepted")
			}
			if string(o) != `{"before":true}` {
				t.Errorf("a refused text changed the object to %.50s", o)
			}
		})
	}
}

func TestObjectCheck(t *testing.T) {
	const (
		nul  = "must not contain NUL"
		half = "must not contain half of a surrogate pair"
		deep = "must not nest deeper than 32"
		size = "must be at most 16384 bytes of JSON"
	)
	for _, test := range []struct {
		name, in string
		want     []string
	}{
		{"broken UTF-8", "{\"a\":\"\xff\"}", []string{"must be UTF-8"}},
		{"NUL, escaped", `{"a":"\u0000"}`, []string{nul}},
		{"the first half of a surrogate", `{"a":"\ud83c"}`, []string{half}},
		{"the second half of a surrogate", `{"a":"\udfb5"}`, []string{half}},
		{"halves in the wrong order", `{"a":"\udfb5\ud83c"}`, []string{half}},
		{"two first halves", `{"a":"\ud83c\ud83c\udfb5"}`, []string{half}},
		{"a half before another escape", `{"a":"\uD83C\n\u0041"}`, []string{half}},
		{"a half before a letter", `{"a":"\uD83Cabcdef"}`, []string{half}},
		{"a half in a name", `{"\ud83c":1}`, []string{half}},
		{"one level too deep", nested(MaxObjectDepth + 1), []string{deep}},
		{"ten thousand levels, almost", nested(8_000), []string{deep}},
		{"one byte too large", ofSize(MaxObjectBytes + 1), []string{size}},
		{"ten million bytes", ofSize(10_000_000), []string{size}},
		{"everything at once", `{"a":"\u0000","\ud800":` + nested(MaxObjectDepth) + `}`, []string{deep, nul, half}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var o Object
			if err := o.UnmarshalJSON([]byte(test.in)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, violations(t, o)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// violations returns what Check says of o.
func violations(t *testing.T, o Object) (messages []string) {
	t.Helper()
	var c problem.Checks
	o.Check(&c, "body.metadata")
	var p *problem.Error
	if errors.As(c.Err(), &p) {
		for _, v := range p.Violations {
			if v.Location != "body.metadata" {
				t.Errorf("a violation at %s", v.Location)
			}
			messages = append(messages, v.Message)
		}
	}
	return messages
}

// What an object reads, encoding/json reads as the same value, whatever the
// spacing was.
func TestObjectKeepsTheValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.MapOf(rapid.String(), rapid.OneOf(rapid.Float64().AsAny(), rapid.String().AsAny(), rapid.Bool().AsAny())).Draw(t, "value")
		compact, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		var spaced bytes.Buffer
		if err := json.Indent(&spaced, compact, " ", "\t"); err != nil {
			t.Fatal(err)
		}
		var o Object
		if err := json.Unmarshal(spaced.Bytes(), &o); err != nil || string(o) != string(compact) {
			t.Fatalf("got %s, %v, want %s", o, err, compact)
		}
	})
}

func TestObjectKeepsNothingOfItsInput(t *testing.T) {
	in := []byte(`{"a":"b"}`)
	var o Object
	if err := o.UnmarshalJSON(in); err != nil {
		t.Fatal(err)
	}
	copy(in, `{"x":"y"}`)
	if string(o) != `{"a":"b"}` {
		t.Errorf("the object changed with its input: %s", o)
	}
}

func TestNilObjectIsEmpty(t *testing.T) {
	got, err := json.Marshal(struct{ Metadata Object }{})
	if err != nil || string(got) != `{"Metadata":{}}` {
		t.Errorf("got %s, %v", got, err)
	}
}

func nested(depth int) string {
	return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
}

func ofSize(n int) string {
	return fmt.Sprintf(`{"a":"%s"}`, strings.Repeat("x", n-len(`{"a":""}`)))
}
