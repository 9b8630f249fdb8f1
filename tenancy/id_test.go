package tenancy

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var anyID = rapid.Custom(func(t *rapid.T) ID {
	return ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
})

func TestIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := anyID.Draw(t, "id")
		text := id.String()
		parsed, err := ParseID(text)
		if err != nil || parsed != id {
			t.Fatalf("%q: got %v, %v, want %v", text, parsed, err, id)
		}
		encoded, err := json.Marshal(id)
		if err != nil || string(encoded) != `"`+text+`"` {
			t.Fatalf("JSON: got %s, %v, want %q", encoded, err, text)
		}
		var decoded ID
		if err := json.Unmarshal(encoded, &decoded); err != nil || decoded != id {
			t.Fatalf("from JSON: got %v, %v, want %v", decoded, err, id)
		}
		appended, err := id.AppendText([]byte("x"))
		if err != nil || string(appended) != "x"+text {
			t.Fatalf("appended: got %q, %v", appended, err)
		}
	})
}

// Whatever is accepted is what the id prints: an id has one spelling.
func TestIDHasOneSpelling(t *testing.T) {
	alphabet := rapid.RuneFrom([]rune("0123456789abcdefABCDEF-{} gé"))
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringOfN(alphabet, 30, 40, -1),
			rapid.Custom(func(t *rapid.T) string {
				b := []byte(anyID.Draw(t, "id").String())
				b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
				return string(b)
			}),
		).Draw(t, "text")
		if id, err := ParseID(text); err == nil && id.String() != text {
			t.Fatalf("%q was read as %v", text, id)
		}
	})
}

func TestParseIDRefuses(t *testing.T) {
	const good = "0198c5a0-7e1b-7c3d-8e4f-0123456789ab"
	if _, err := ParseID(good); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing":             "",
		"upper case":          strings.ToUpper(good),
		"no hyphens":          strings.ReplaceAll(good, "-", ""),
		"braces":              "{" + good + "}",
		"a URN":               "urn:uuid:" + good,
		"one too short":       good[:35],
		"one too long":        good + "0",
		"space around":        " " + good[:34] + " ",
		"a hyphen elsewhere":  "0198c5a07-e1b-7c3d-8e4f-0123456789ab",
		"not hexadecimal":     "0198c5a0-7e1b-7c3d-8e4f-0123456789ag",
		"ten million bytes":   strings.Repeat("a", 10_000_000),
		"NUL":                 good[:35] + "\x00",
		"digits of elsewhere": "0198c5a0-7e1b-7c3d-8e4f-01234567٣٣",
	} {
		t.Run(name, func(t *testing.T) {
			id := ID{1}
			if err := id.UnmarshalText([]byte(text)); err == nil {
				t.Fatalf("accepted as %v", id)
			}
			if id != (ID{1}) {
				t.Errorf("a refused text changed the id to %v", id)
			}
		})
	}
}

func TestNewID(t *testing.T) {
	var before ID
	if !before.IsZero() {
		t.Error("the zero ID is not zero")
	}
	for range 1000 {
		id := NewID()
		if id.IsZero() || id[6]>>4 != 7 || id[8]>>6 != 2 {
			t.Fatalf("%v is not a UUIDv7", id)
		}
		if bytes.Compare(id[:], before[:]) <= 0 {
			t.Fatalf("%v does not sort after %v", id, before)
		}
		before = id
	}
}

func TestOrNilIsNilForTheIdThatNamesNothing(t *testing.T) {
	id := NewID()
	if got := id.OrNil(); got == nil || *got != id {
		t.Errorf("of %s it is %v", id, got)
	}
	if got := (ID{}).OrNil(); got != nil {
		t.Errorf("of nothing it is %v", got)
	}
}
