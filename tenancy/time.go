package tenancy

import (
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

const timeLayout = "2006-01-02T15:04:05.000000Z"

// TimeOf returns t cut to microseconds.
func TimeOf(t time.Time) Time { return Time(t.UnixMicro()) }

// Std returns t as a time.Time in UTC.
func (t Time) Std() time.Time { return time.UnixMicro(int64(t)).UTC() }

func (t Time) String() string { return t.Std().Format(timeLayout) }

// AppendText appends the RFC 3339 form with microseconds.
func (t Time) AppendText(b []byte) ([]byte, error) { return t.Std().AppendFormat(b, timeLayout), nil }

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) { return t.AppendText(make([]byte, 0, len(timeLayout))) }

// UnmarshalText reads RFC 3339 with any offset, or a date alone, which means
// midnight UTC. Years outside 1970..2199 are refused.
func (t *Time) UnmarshalText(text []byte) error {
	parsed, err := ParseTime(string(text))
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}

// UnmarshalJSON reads what UnmarshalText reads. Anything else becomes NoTime and
// not an error, so that the validation of the whole input can name it together
// with everything else that is wrong.
func (t *Time) UnmarshalJSON(data []byte) error {
	*t = NoTime
	if len(data) >= 2 && data[0] == '"' {
		if parsed, err := ParseTime(string(data[1 : len(data)-1])); err == nil {
			*t = parsed
		}
	}
	return nil
}

// ParseTime reads what UnmarshalText reads.
func ParseTime(text string) (Time, error) {
	layout := time.RFC3339Nano
	if len(text) == len(time.DateOnly) {
		layout = time.DateOnly
	}
	std, err := time.Parse(layout, text)
	if err != nil {
		return 0, fmt.Errorf("not a time in RFC 3339, nor a date")
	}
	t := TimeOf(std)
	if t < MinTime || t >= EndTime {
		return 0, fmt.Errorf("outside the years 1970 to 2199")
	}
	return t, nil
}

// Days returns the time from t to later in days, fractions included.
func (t Time) Days(later Time) float64 {
	return float64(later-t) / float64(24*time.Hour/time.Microsecond)
}
