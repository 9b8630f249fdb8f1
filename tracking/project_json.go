package tracking

import (
	"slices"
	"strconv"

	"maestro/tenancy"
)

// AppendJSON appends the project exactly as encoding/json writes it with
// SetEscapeHTML(false), several times faster and without allocating: lists are
// bound by their JSON. A test compares the two, so that a field added to the
// struct alone does not go unnoticed.
func (p *Project) AppendJSON(b []byte) []byte {
	b = append(b, `{"id":`...)
	b = p.ID.AppendJSON(b)
	b = append(b, `,"tenant_id":`...)
	b = p.TenantID.AppendJSON(b)
	b = append(b, ',')
	b = p.ProjectFields.appendMembers(b)
	b = append(b, `,"success_score":`...)
	b = tenancy.AppendJSONFloatOrNull(b, p.SuccessScore)
	b = append(b, `,"created_by":`...)
	b = tenancy.AppendJSONOrNull(b, p.CreatedBy)
	b = append(b, `,"created_at":`...)
	b = p.CreatedAt.AppendJSON(b)
	b = append(b, `,"updated_at":`...)
	b = p.UpdatedAt.AppendJSON(b)
	b = append(b, `,"version":`...)
	b = strconv.AppendInt(b, p.Version, 10)
	return append(b, '}')
}

func (f *ProjectFields) appendMembers(b []byte) []byte {
	b = append(b, `"name":`...)
	b = tenancy.AppendJSONString(b, f.Name)
	b = append(b, `,"description":`...)
	b = tenancy.AppendJSONString(b, f.Description)
	b = append(b, `,"problem_class":`...)
	b = tenancy.AppendJSONStringOrNull(b, f.ProblemClass)
	b = append(b, `,"status":`...)
	b = tenancy.AppendJSONString(b, string(f.Status))
	b = append(b, `,"complexity_score":`...)
	b = tenancy.AppendJSONFloatOrNull(b, f.ComplexityScore)
	b = append(b, `,"team_size":`...)
	b = tenancy.AppendJSONIntOrNull(b, f.TeamSize)
	b = append(b, `,"start_date":`...)
	b = tenancy.AppendJSONOrNull(b, f.StartDate)
	b = append(b, `,"completion_date":`...)
	b = tenancy.AppendJSONOrNull(b, f.CompletionDate)
	b = append(b, `,"model_performance":`...)
	b = tenancy.AppendJSONFloatOrNull(b, f.ModelPerformance)
	b = append(b, `,"compute_cost":`...)
	b = tenancy.AppendJSONFloatOrNull(b, f.ComputeCost)
	b = append(b, `,"business_impact":`...)
	b = tenancy.AppendJSONFloatOrNull(b, f.BusinessImpact)
	b = append(b, `,"attributes":`...)
	b = f.Attributes.AppendJSON(b)
	b = append(b, `,"metadata":`...)
	return f.Metadata.AppendJSON(b)
}

// AppendJSON appends the attributes, which must be valid, sorted by name; none
// are {}.
func (a Attributes) AppendJSON(b []byte) []byte {
	var room [MaxAttributes]string
	names := room[:0]
	for name := range a {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(tenancy.AppendJSONString(b, name), ':')
		switch value := a[name].(type) {
		case float64:
			b = tenancy.AppendJSONFloat(b, value)
		case string:
			b = tenancy.AppendJSONString(b, value)
		case bool:
			b = strconv.AppendBool(b, value)
		default:
			b = append(b, "null"...)
		}
	}
	return append(b, '}')
}
