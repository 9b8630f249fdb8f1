package insight

import "fmt"

// InputError says which input cannot be learned from or predicted for, and why.
// Its text is meant for people and repeats no value.
type InputError struct {
	Column string // the column or input concerned; empty when it is the whole
	Reason string
}

func (e *InputError) Error() string {
	if e.Column == "" {
		return e.Reason
	}
	return e.Column + ": " + e.Reason
}

func wrong(column, format string, args ...any) error {
	return &InputError{Column: column, Reason: fmt.Sprintf(format, args...)}
}
