package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/goccy/go-yaml"
)

// The forms that data can be printed in.
const (
	formTable = "table"
	formJSON  = "json"
	formYAML  = "yaml"
	formCSV   = "csv"
)

var forms = []string{formTable, formJSON, formYAML, formCSV}

// column is one property of a T, for people and for CSV.
type column[T any] struct {
	name  string
	value func(*T) any
	extra bool // not in tables of many, for want of room
}

// Values that people read in another form than programs do.
type (
	instant   string // RFC 3339
	byteCount int64
)

// instantOf is a time that may be absent.
func instantOf(text *string) any {
	if text == nil {
		return nil
	}
	return instant(*text)
}

// printList prints many.
func printList[T any](w io.Writer, form string, columns []column[T], items []T) error {
	switch form {
	case formJSON, formYAML:
		if items == nil {
			items = []T{}
		}
		return printDocument(w, form, items)
	case formCSV:
		table := csv.NewWriter(w)
		row := make([]string, len(columns))
		for i, c := range columns {
			row[i] = c.name
		}
		_ = table.Write(row) // Error, below, has it
		for i := range items {
			for j, c := range columns {
				row[j] = exactText(c.value(&items[i]))
			}
			_ = table.Write(row)
		}
		table.Flush()
		return table.Error()
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := -1; i < len(items); i++ {
		var row []string
		for _, c := range columns {
			switch {
			case c.extra:
			case i < 0:
				row = append(row, strings.ToUpper(strings.ReplaceAll(c.name, "_", " ")))
			default:
				row = append(row, shortText(c.value(&items[i])))
			}
		}
		fmt.Fprintln(table, strings.TrimRight(strings.Join(row, "\t"), "\t "))
	}
	return table.Flush()
}

// printOne prints one, with every property.
func printOne[T any](w io.Writer, form string, columns []column[T], item T) error {
	switch form {
	case formJSON, formYAML:
		return printDocument(w, form, item)
	case formCSV:
		return printList(w, form, columns, []T{item})
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range columns {
		fmt.Fprintf(table, "%s\t%s\n", strings.ReplaceAll(c.name, "_", " "), shortText(c.value(&item)))
	}
	return table.Flush()
}

// printDocument prints JSON, or the same as YAML.
func printDocument(w io.Writer, form string, value any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return err
	}
	out := text.Bytes()
	if form == formYAML {
		var err error
		if out, err = yaml.JSONToYAML(out); err != nil {
			return err
		}
	}
	_, err := w.Write(out)
	return err
}

// exactText is a value for programs: what is absent is empty, times and numbers
// as they are.
func exactText(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case instant:
		return string(v)
	case byteCount:
		return strconv.FormatInt(int64(v), 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case *float64:
		if v == nil {
			return ""
		}
		return exactText(*v)
	case *int64:
		if v == nil {
			return ""
		}
		return strconv.FormatInt(*v, 10)
	case *string:
		if v == nil {
			return ""
		}
		return *v
	case []string:
		return strings.Join(v, " ")
	case map[string]any:
		if len(v) == 0 {
			return ""
		}
		text, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return string(text)
	}
	return fmt.Sprint(value)
}

// shortText is a value for people, on one line and without anything that a
// terminal would obey.
func shortText(value any) string {
	text := ""
	switch v := value.(type) {
	case instant:
		if t, err := time.Parse(time.RFC3339Nano, string(v)); err == nil {
			text = t.Local().Format("2006-01-02 15:04")
		}
	case byteCount:
		text = sizeText(int64(v))
	case float64:
		text = strconv.FormatFloat(v, 'g', 5, 64)
	case *float64:
		if v != nil {
			text = shortText(*v)
		}
	case bool:
		text = "no"
		if v {
			text = "yes"
		}
	default:
		text = exactText(value)
	}
	if text == "" {
		return "-"
	}
	return visible(text)
}

// visible replaces what a terminal would obey instead of show.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '�'
		}
		return r
	}, text)
}

// sizeText is a number of bytes with its binary unit.
func sizeText(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, unit := float64(n)/1024, 0
	for value >= 1024 {
		value, unit = value/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}
