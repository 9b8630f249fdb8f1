package tenancy

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Time is an instant in UTC: microseconds since 1970-01-01. It is what the
// database stores and, as RFC 3339 with six decimals, what JSON carries.
type Time int64

// The instants that an input may name: 1970-01-01 up to, and without, 2200-01-01.
// NoTime is none of them: what JSON holds in place of a time that it should.
const (
	MinTime Time = 0
	EndTime Time = 7258118400_000000
	NoTime  Time = math.MinInt64
)

const (
	timeLayout = "2006-01-02T15:04:05.000000Z"
	second     = Time(time.Second / time.Microsecond)
)

// TimeOf returns t cut to microseconds.
func TimeOf(t time.Time) Time { return Time(t.UnixMicro()) }

// Std returns t as a time.Time in UTC.
func (t Time) Std() time.Time { return time.UnixMicro(int64(t)).UTC() }

func (t Time) String() string { return string(t.append(make([]byte, 0, len(timeLayout)))) }

// AppendText appends the RFC 3339 form with microseconds.
func (t Time) AppendText(b []byte) ([]byte, error) { return t.append(b), nil }

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) { return t.append(make([]byte, 0, len(timeLayout))), nil }

// append is a third of the cost of formatting by a layout, and a list of
// projects carries 200 times.
func (t Time) append(b []byte) []byte {
	std := t.Std()
	if t < MinTime || t >= EndTime {
		return std.AppendFormat(b, timeLayout)
	}
	year, month, day := std.Date()
	hour, minute, sec := std.Clock()
	micro := int(t % second)
	b = appendTwoDigits(b, year/100)
	b = appendTwoDigits(b, year%100)
	b = appendTwoDigits(append(b, '-'), int(month))
	b = appendTwoDigits(append(b, '-'), day)
	b = appendTwoDigits(append(b, 'T'), hour)
	b = appendTwoDigits(append(b, ':'), minute)
	b = appendTwoDigits(append(b, ':'), sec)
	b = appendTwoDigits(append(b, '.'), micro/10_000)
	b = appendTwoDigits(b, micro/100%100)
	b = appendTwoDigits(b, micro%100)
	return append(b, 'Z')
}

func appendTwoDigits(b []byte, n int) []byte {
	return append(b, byte('0'+n/10), byte('0'+n%10))
}

// ParseTime reads RFC 3339 with any offset, or a date alone, which means
// midnight UTC. What is finer than a microsecond is cut off, and years outside
// 1970 to 2199 are refused.
func ParseTime(text string) (Time, error) {
	var t Time
	err := t.UnmarshalText([]byte(text))
	return t, err
}

// UnmarshalText reads what ParseTime reads.
func (t *Time) UnmarshalText(text []byte) error {
	var std time.Time
	var err error
	loose := false
	if len(text) == len(time.DateOnly) {
		std, err = time.Parse(time.DateOnly, string(text))
	} else {
		// Package time takes an hour of one digit and a fraction behind a comma
		// as well (go.dev/issue/54580).
		loose = len(text) < len("2006-01-02T15:04:05Z") || text[13] != ':' || text[19] == ','
		err = std.UnmarshalText(text)
	}
	if err != nil || loose {
		return fmt.Errorf("not a time in RFC 3339, nor a date")
	}
	parsed := TimeOf(std)
	if parsed < MinTime || parsed >= EndTime {
		return fmt.Errorf("outside the years 1970 to 2199")
	}
	*t = parsed
	return nil
}

// UnmarshalJSON reads what UnmarshalText reads. Anything else becomes NoTime and
// not an error, so that the validation of the whole input can name it together
// with everything else that is wrong.
func (t *Time) UnmarshalJSON(data []byte) error {
	*t = NoTime
	var text string
	if json.Unmarshal(data, &text) == nil {
		if parsed, err := ParseTime(text); err == nil {
			*t = parsed
		}
	}
	return nil
}

// Days returns the time from t to later in days, fractions included.
func (t Time) Days(later Time) float64 {
	return float64(later-t) / float64(24*time.Hour/time.Microsecond)
}
