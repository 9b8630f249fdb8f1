package server

import (
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"maestro/tenancy"
)

// optional is a query parameter that tells absent from zero.
type optional[T any] struct {
	value T
	set   bool
}

// Schema is T's.
func (optional[T]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[T]())
}

// Receiver is where the framework puts the value.
func (o *optional[T]) Receiver() reflect.Value { return reflect.ValueOf(&o.value).Elem() }

// OnParamSet learns whether there was one.
func (o *optional[T]) OnParamSet(set bool, _ any) { o.set = set }

func (o *optional[T]) pointer() *T {
	if !o.set {
		return nil
	}
	return &o.value
}

// TimeParam is a time in the query: RFC 3339, or a date.
type TimeParam struct {
	text string
	time *tenancy.Time
}

// Schema is that of every time.
func (TimeParam) Schema(r huma.Registry) *huma.Schema { return timeSchema{}.Schema(r) }

// Receiver is where the framework puts the text.
func (p *TimeParam) Receiver() reflect.Value { return reflect.ValueOf(&p.text).Elem() }

// Resolve reads the text.
func (p *TimeParam) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	if p.text == "" {
		return nil
	}
	t, err := tenancy.ParseTime(p.text)
	if err != nil {
		return []error{&huma.ErrorDetail{Location: at.String(), Message: "is " + err.Error()}}
	}
	p.time = &t
	return nil
}

func (p TimeParam) pointer() *tenancy.Time { return p.time }

// IDParam is an id in the query. One that is empty names nothing and is refused,
// as every other text that is no id.
type IDParam struct {
	text string
	id   *tenancy.ID
}

// Schema is that of every id.
func (IDParam) Schema(r huma.Registry) *huma.Schema { return idSchema{}.Schema(r) }

// Receiver is where the framework puts the text.
func (p *IDParam) Receiver() reflect.Value { return reflect.ValueOf(&p.text).Elem() }

// Resolve reads the text.
func (p *IDParam) Resolve(ctx huma.Context, at *huma.PathBuffer) []error {
	address := ctx.URL()
	if p.text == "" && !address.Query().Has(strings.TrimPrefix(at.String(), "query.")) {
		return nil
	}
	id, err := tenancy.ParseID(p.text)
	if err != nil {
		return []error{&huma.ErrorDetail{Location: at.String(), Message: "must be a UUID in lower case"}}
	}
	p.id = &id
	return nil
}

func (p IDParam) pointer() *tenancy.ID { return p.id }
