package server

import (
	"context"
	"errors"
	"net/http"

	"maestro/audit"
	"maestro/auth"
	"maestro/problem"
	"maestro/storage"
)

// AuditEvent is an event as the document names it.
type AuditEvent struct{ audit.Event }

func (s *Server) auditRoutes() {
	const text = "Each event holds the hash of the one before, so that altered, missing and added ones can be found (maestro audit verify). " +
		"A page looks at 10000 events: with a filter that few of them pass it may be short or empty and go on all the same. Follow next_cursor until it is null."
	handle(s, route{method: http.MethodGet, path: "/audit", access: auth.Requires(auth.AuditView), id: "listAuditEvents", tag: "audit",
		summary: "List who did what in your tenant, the newest first", text: text}, s.listAuditEvents)
	handle(s, route{method: http.MethodGet, path: "/system/audit", access: auth.Operator, id: "listInstallationEvents", tag: "audit",
		summary: "List who did what to the installation, the newest first", text: "Tenants, operators, keys, backups, and refusals that belong to no tenant. " + text}, s.listInstallationEvents)
}

// EventParams are the parameters of a list of audit events.
type EventParams struct {
	PageParams
	ActorID IDParam       `query:"actor_id" doc:"Only what this user did, or an API token on the user's behalf"`
	Action  string        `query:"action" maxLength:"64" doc:"Only this action, such as project.create; or every action of a kind, such as project"`
	Object  string        `query:"object" maxLength:"255" doc:"Only what was done to the object of this id or name"`
	Outcome audit.Outcome `query:"outcome" enum:"success,denied" doc:"Only what was done, or only what was refused"`
	From    TimeParam     `query:"from" doc:"Only events of this time or later"`
	Until   TimeParam     `query:"until" doc:"Only events before this time"`
}

func (p *EventParams) filter() storage.EventFilter {
	f := storage.EventFilter{Action: p.Action, Object: p.Object, Outcome: p.Outcome, From: p.From.pointer(), Until: p.Until.pointer()}
	if id := p.ActorID.pointer(); id != nil {
		f.Actor = *id
	}
	return f
}

func (s *Server) listAuditEvents(ctx context.Context, in *EventParams) (*listOutput[AuditEvent], error) {
	return eventPage(s.store.Tenant(who(ctx).Scope).Events(ctx, in.page(""), in.filter()))
}

func (s *Server) listInstallationEvents(ctx context.Context, in *EventParams) (*listOutput[AuditEvent], error) {
	return eventPage(s.store.InstallationEvents(ctx, in.page(""), in.filter()))
}

// eventPage answers with a page. Where the trail is broken it says so: who may read
// it is to know.
func eventPage(events storage.List[audit.Event], err error) (*listOutput[AuditEvent], error) {
	var fault *audit.Fault
	if errors.As(err, &fault) {
		return nil, problem.Wrap(err, problem.Internal, "The audit trail is broken at event %d: %s.", fault.Sequence, fault.Reason)
	}
	if err != nil {
		return nil, err
	}
	page := storage.List[AuditEvent]{Items: make([]AuditEvent, len(events.Items)), Next: events.Next}
	for i, e := range events.Items {
		page.Items[i] = AuditEvent{e}
	}
	return &listOutput[AuditEvent]{Body: newList(page)}, nil
}
