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
}

func newList[T any](l storage.List[T]) *list[T] {
	page := &list[T]{Items: l.Items}
	if l.Next != "" {
		page.NextCursor = &l.Next
	}
	return page
}

// AppendJSON renders the page with its items' own encoder where they have one.
func (l *list[T]) AppendJSON(b []byte) []byte {
	b = append(b, `{"items":[`...)
	for i := range l.Items {
		if i > 0 {
			b = append(b, ',')
		}
		if a, ok := any(&l.Items[i]).(appender); ok {
			b = a.AppendJSON(b)
		} else {
			b = append(b, encodeJSON(&l.Items[i])...)
		}
	}
	b = append(b, `],"next_cursor":`...)
	if l.NextCursor == nil {
		return append(b, "null}"...)
	}
	// Cursors are base64url: nothing in them needs an escape.
	b = append(b, '"')
	b = append(b, *l.NextCursor...)
	return append(b, `"}`...)
}

// listOutput is the answer of a list.
type listOutput[T any] struct {
	Body *list[T]
}
