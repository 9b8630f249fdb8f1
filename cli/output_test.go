package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTextForPeopleAndForPrograms(t *testing.T) {
	number, text := 1234.56789, "word"
	tests := []struct {
		name         string
		value        any
		short, exact string
	}{
		{"nothing", nil, "-", ""},
		{"no number", (*float64)(nil), "-", ""},
		{"no text", (*string)(nil), "-", ""},
		{"no count", (*int64)(nil), "-", ""},
		{"empty text", "", "-", ""},
		{"number", &number, "1234.6", "1234.56789"},
		{"text", &text, "word", "word"},
		{"list", []string{"a", "b"}, "a b", "a b"},
		{"object", map[string]any{"b": 1, "a": true}, `{"a":true,"b":1}`, `{"a":true,"b":1}`},
		{"empty object", map[string]any{}, "-", ""},
		{"yes", true, "yes", "true"},
		{"no", false, "no", "false"},
		{"bytes", byteCount(1023), "1023 B", "1023"},
		{"kibibytes", byteCount(1536), "1.5 KiB", "1536"},
		{"gibibytes", byteCount(50 << 30), "50.0 GiB", "53687091200"},
		{"share", share{1, 10}, "1/10", "1/10"},
		{"line ends", "two\nlines", "two�lines", "two\nlines"},
		{"what a terminal obeys", "\x1b[2Jgone", "�[2Jgone", "\x1b[2Jgone"},
		{"what turns text around", "a\u202eb", "a�b", "a\u202eb"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := shortText(test.value); got != test.short {
				t.Errorf("for people: got %q, want %q", got, test.short)
			}
			if got := exactText(test.value); got != test.exact {
				t.Errorf("for programs: got %q, want %q", got, test.exact)
			}
		})
	}
}

func TestForms(t *testing.T) {
	type thing struct {
		Name string `json:"name"`
		Note string `json:"note"`
	}
	columns := []column[thing]{
		{name: "name", value: func(x *thing) any { return x.Name }},
		{name: "long_note", value: func(x *thing) any { return x.Note }, extra: true},
	}
	things := []thing{{"a", `<"b", c>`}}
	want := map[string][2]string{
		formTable: {"NAME\na\n", "name       a\nlong note  <\"b\", c>\n"},
		formJSON:  {"[\n  {\n    \"name\": \"a\",\n    \"note\": \"<\\\"b\\\", c>\"\n  }\n]\n", "{\n  \"name\": \"a\",\n  \"note\": \"<\\\"b\\\", c>\"\n}\n"},
		formYAML:  {"- name: a\n  note: <\"b\", c>\n", "name: a\nnote: <\"b\", c>\n"},
		formCSV:   {"name,long_note\na,\"<\"\"b\"\", c>\"\n", "name,long_note\na,\"<\"\"b\"\", c>\"\n"},
	}
	for _, form := range forms {
		var list, one strings.Builder
		if err := printList(&list, form, columns, things); err != nil {
			t.Fatal(err)
		}
		if err := printOne(&one, form, columns, things[0]); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[form], [2]string{list.String(), one.String()}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", form, diff)
		}
	}
}
