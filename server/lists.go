package server

import (
	"maestro/storage"
)

// PageParams are the parameters that every list takes.
type PageParams struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Items in a page"`
	Cursor string `query:"cursor" maxLength:"2048" doc:"next_cursor of the page before, with the same sort and filters"`
}

func (p PageParams) page(sort string) storage.Page {
	return storage.Page{Limit: p.Limit, Cursor: p.Cursor, Sort: sort}
}

// list is one page of a list.
type list[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor" doc:"Asks for the next page; null at the end"`

	rendered *[]byte // the whole page, of buffers, in place of Items; nil for none
	answered bool    // rendered was taken
}

func newList[T any](l storage.List[T]) *list[T] {
	return &list[T]{Items: l.Items, NextCursor: cursorOrNil(l.Next)}
}

func cursorOrNil(next string) *string {
	if next == "" {
		return nil
	}
	return &next
}

// renderList makes a page of items that are read one after the other, each rendered
// before the next: none has to outlive its call of each.
func renderList[T any](read func(each func(*T)) (next string, err error)) (*list[T], error) {
	buffer := buffers.Get().(*[]byte)
	b := append((*buffer)[:0], listStart...)
	next, err := read(func(item *T) { b = appendItem(b, item) })
	*buffer = b
	if err != nil {
		keepBuffer(buffer)
		return nil, err
	}
	page := &list[T]{NextCursor: cursorOrNil(next), rendered: buffer}
	*buffer = appendListEnd(b, page.NextCursor)
	return page, nil
}

// AppendJSON renders the page with its items' own encoder where they have one.
func (l *list[T]) AppendJSON(b []byte) []byte {
	if l.rendered != nil {
		return append(b, *l.rendered...)
	}
	b = append(b, listStart...)
	for i := range l.Items {
		b = appendItem(b, &l.Items[i])
	}
	return appendListEnd(b, l.NextCursor)
}

// takeRendered returns the page that was rendered while it was read, for once: the
// buffer is the caller's then. It returns nil for any other.
func (l *list[T]) takeRendered() (buffer *[]byte) {
	if l.answered {
		panic("server: a page that is rendered while it is read is answered twice")
	}
	buffer, l.rendered = l.rendered, nil
	l.answered = buffer != nil
	return buffer
}

const listStart = `{"items":[`

// appendItem appends an item behind those before it.
func appendItem[T any](b []byte, item *T) []byte {
	if b[len(b)-1] != '[' {
		b = append(b, ',')
	}
	if a, ok := any(item).(appender); ok {
		return a.AppendJSON(b)
	}
	return append(b, encodeJSON(item)...)
}

func appendListEnd(b []byte, next *string) []byte {
	b = append(b, `],"next_cursor":`...)
	if next == nil {
		return append(b, "null}"...)
	}
	// Cursors are base64url: nothing in them needs an escape.
	b = append(append(b, '"'), *next...)
	return append(b, `"}`...)
}

// listOutput is the answer of a list.
type listOutput[T any] struct {
	Body *list[T]
}
