package tenancy

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
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

// anyText has every sort of text, broken UTF-8 included.
var anyText = rapid.OneOf(
	rapid.String(),
	rapid.StringOf(rapid.SampledFrom([]rune("ab<>&\"\\/\x00\x01\b\f\n\r\t\x1f\x7f\u0080é\u2027\u2028\u2029\u202a\ufffd\ufeff🎵"))),
	rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
)

func TestAppendJSONStringIsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := anyText.Draw(t, "text")
		if got, want := string(AppendJSONString([]byte("x"), text)), "x"+standard(t, text); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
	for c := range 256 {
		text := "a" + string([]byte{byte(c)}) + "b"
		if got, want := string(AppendJSONString(nil, text)), standard(t, text); got != want {
			t.Errorf("byte %#x: got %s, want %s", c, got, want)
		}
	}
}

func TestAppendJSONFloatIsEncodingJSON(t *testing.T) {
	same := func(t interface {
		Fatal(args ...any)
		Errorf(format string, args ...any)
	}, f float64) {
		if got, want := string(AppendJSONFloat([]byte("x"), f)), "x"+standard(t, f); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, f := range []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, 1e-6, 9.99e-7, 1e-7, 1e-9, 1e-10, 1.5e-100, 1e20, 1e21, -1e21, 1e22, 1e100,
		math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, math.Pi, 1 << 53, 100.0 / 3,
	} {
		same(t, f)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64().Draw(t, "f")
		if !math.IsInf(f, 0) && !math.IsNaN(f) {
			same(t, f)
		}
	})
}

func TestAppendJSONFloatHasNoNaN(t *testing.T) {
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if got := string(AppendJSONFloat(nil, f)); got != "null" {
			t.Errorf("%v: got %s, want null", f, got)
		}
	}
}

func TestAppendJSONOfValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id, instant := anyID.Draw(t, "id"), anyTime.Draw(t, "time")
		f, n, text := rapid.Float64Range(-1e9, 1e9).Draw(t, "f"), rapid.Int64().Draw(t, "n"), anyText.Draw(t, "text")
		b := id.AppendJSON([]byte("["))
		b = instant.AppendJSON(append(b, ','))
		b = AppendJSONOrNull(append(b, ','), &id)
		b = AppendJSONOrNull[Time](append(b, ','), nil)
		b = AppendJSONFloatOrNull(append(b, ','), &f)
		b = AppendJSONFloatOrNull(append(b, ','), nil)
		b = AppendJSONIntOrNull(append(b, ','), &n)
		b = AppendJSONIntOrNull(append(b, ','), nil)
		b = AppendJSONStringOrNull(append(b, ','), &text)
		b = AppendJSONStringOrNull(append(b, ','), nil)
		if got, want := string(append(b, ']')), standard(t, []any{id, instant, id, nil, f, nil, n, nil, text, nil}); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}

func BenchmarkAppendJSONString(b *testing.B) {
	text := strings.Repeat("A pipeline of features for churn. ", 10)
	buffer := make([]byte, 0, 2*len(text))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		AppendJSONString(buffer, text)
	}
}

func BenchmarkAppendJSONFloat(b *testing.B) {
	var buffer [64]byte
	b.ReportAllocs()
	for b.Loop() {
		AppendJSONFloat(buffer[:0], 73.25)
	}
}
