package client

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"strings"
)

// Change is a member of a Patch. The zero Change leaves the value as it is.
type Change[T any] struct {
	set   bool
	value *T
}

// Set changes a value.
func Set[T any](value T) Change[T] { return Change[T]{set: true, value: &value} }

// Clear empties a value.
func Clear[T any]() Change[T] { return Change[T]{set: true} }

// IsZero reports whether the value stays as it is. It keeps the member out of
// the JSON.
func (c Change[T]) IsZero() bool { return !c.set }

// MarshalJSON implements json.Marshaler.
func (c Change[T]) MarshalJSON() ([]byte, error) { return json.Marshal(c.value) }

// UnmarshalJSON implements json.Unmarshaler: a member that is there is a change.
func (c *Change[T]) UnmarshalJSON(data []byte) error {
	c.set, c.value = true, nil
	return json.Unmarshal(data, &c.value)
}

// encodeParams puts every field of the struct params that is not zero where its
// tag says: in the query or a header.
func encodeParams(request *http.Request, params any) {
	if params == nil {
		return
	}
	query := request.URL.Query()
	value := reflect.ValueOf(params)
	for i := range value.NumField() {
		field, tag := value.Field(i), value.Type().Field(i).Tag
		if field.IsZero() {
			continue
		}
		text := paramText(field)
		if name := tag.Get("query"); name != "" {
			query.Set(name, text)
		}
		if name := tag.Get("header"); name != "" {
			request.Header.Set(name, text)
		}
	}
	request.URL.RawQuery = query.Encode()
}

func paramText(field reflect.Value) string {
	if field.Kind() == reflect.Pointer {
		field = field.Elem()
	}
	if field.Kind() == reflect.Slice {
		texts := make([]string, field.Len())
		for i := range texts {
			texts[i] = fmt.Sprint(field.Index(i).Interface())
		}
		return strings.Join(texts, ",")
	}
	return fmt.Sprint(field.Interface())
}

// pages iterates over all items of a list, fetching page after page. An error
// ends it.
func pages[T any](fetch func(cursor string) (items []T, next *string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		cursor := ""
		for {
			items, next, err := fetch(cursor)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == nil || *next == "" {
				return
			}
			cursor = *next
		}
	}
}
