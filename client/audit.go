package client

import (
	"context"
	"encoding/json"
	"iter"
)

// AuditTrail iterates over a whole audit trail, the newest event first: the caller's
// tenant's, or the installation's own. The events come as the server wrote them, to
// the byte, because their hashes are made of that.
func (c *Client) AuditTrail(ctx context.Context, installation bool) iter.Seq2[json.RawMessage, error] {
	path := "/api/v1/audit"
	if installation {
		path = "/api/v1/system/audit"
	}
	params := ListAuditEventsParams{Limit: 500}
	return pages(func(cursor string) ([]json.RawMessage, *string, error) {
		params.Cursor = cursor
		var page struct {
			Items      []json.RawMessage `json:"items"`
			NextCursor *string           `json:"next_cursor"`
		}
		err := c.call(ctx, request{method: "GET", path: path, params: params}, &page)
		return page.Items, page.NextCursor, err
	})
}
