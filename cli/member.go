package cli

import (
	"github.com/spf13/cobra"

	"maestro/client"
	"maestro/tracking"
)

var memberFields = []field{
	{flag: "role", member: "role", unit: "WORD", help: "what the member does", words: tracking.MemberRoles[:]},
	{flag: "experience", member: "experience_level", unit: "WORD", help: "junior, mid, senior or principal", words: tracking.ExperienceLevels[:]},
	{flag: "hours", member: "contribution_hours", kind: numberField, unit: "HOURS", help: "hours given to the project so far"},
	{flag: "performance", member: "performance_score", kind: numberField, unit: "0..100", help: "how well the member did"},
	{flag: "user", member: "user_id", unit: "ID", help: "the member's account, if there is one"},
}

var memberColumns = []column[client.Member]{
	{name: "name", value: func(m *client.Member) any { return m.Name }},
	{name: "role", value: func(m *client.Member) any { return m.Role }},
	{name: "experience_level", value: func(m *client.Member) any { return m.ExperienceLevel }},
	{name: "contribution_hours", value: func(m *client.Member) any { return m.ContributionHours }},
	{name: "performance_score", value: func(m *client.Member) any { return m.PerformanceScore }},
	{name: "user_id", value: func(m *client.Member) any { return m.UserID }, extra: true},
	{name: "id", value: func(m *client.Member) any { return m.ID }},
}

func (a *app) memberCommand() *cobra.Command {
	return remote(a.group("member", "Keep the teams of projects", a.memberList(), a.memberAdd(), a.memberUpdate(), a.memberRemove()))
}

// onProject is a command whose first argument is a project, by name or id.
func (a *app) onProject(use, short string, args cobra.PositionalArgs, do func(cmd *cobra.Command, c *client.Client, p client.Project, args []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, ValidArgsFunction: a.completeProjects(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			p, err := findProject(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return do(cmd, c, p, args[1:])
		}}
}

func (a *app) memberList() *cobra.Command {
	return a.onProject("list PROJECT", "List a project's team", cobra.ExactArgs(1), func(cmd *cobra.Command, c *client.Client, p client.Project, _ []string) error {
		members, err := collect(c.AllMembers(cmd.Context(), p.ID, client.ListMembersParams{Limit: pageSize}), 0)
		if err != nil {
			return err
		}
		return printList(a.out, a.form, memberColumns, members)
	})
}

func (a *app) memberAdd() *cobra.Command {
	c := a.onProject("add PROJECT NAME", "Add a member to a project's team", cobra.ExactArgs(2), func(cmd *cobra.Command, c *client.Client, p client.Project, args []string) error {
		members, err := readFields(cmd, memberFields)
		if err != nil {
			return err
		}
		members["name"] = args[0]
		body, err := decodeFields[client.MemberFields](members)
		if err != nil {
			return err
		}
		m, err := c.CreateMember(cmd.Context(), p.ID, client.CreateMemberParams{}, body)
		if err != nil {
			return err
		}
		return printOne(a.out, a.form, memberColumns, m)
	})
	addFields(c, memberFields)
	_ = c.MarkFlagRequired("role")       // the flag is there
	_ = c.MarkFlagRequired("experience") // and so is this
	return c
}

func (a *app) memberUpdate() *cobra.Command {
	fields := append([]field{{flag: "name", member: "name", unit: "NAME", help: "the new name"}}, memberFields...)
	c := a.onProject("update PROJECT MEMBER", "Change a member, named by name or id", cobra.ExactArgs(2), func(cmd *cobra.Command, c *client.Client, p client.Project, args []string) error {
		patch, err := readPatch[client.MemberFieldsPatch](cmd, fields)
		if err != nil {
			return err
		}
		m, err := findMember(cmd.Context(), c, p.ID, args[0])
		if err != nil {
			return err
		}
		if m, err = c.UpdateMember(cmd.Context(), p.ID, m.ID, client.UpdateMemberParams{}, patch); err != nil {
			return err
		}
		return printOne(a.out, a.form, memberColumns, m)
	})
	addFields(c, fields)
	addClear(c, fields)
	return c
}

func (a *app) memberRemove() *cobra.Command {
	return a.onProject("remove PROJECT MEMBER", "Remove a member, named by name or id", cobra.ExactArgs(2), func(cmd *cobra.Command, c *client.Client, p client.Project, args []string) error {
		m, err := findMember(cmd.Context(), c, p.ID, args[0])
		if err != nil {
			return err
		}
		return c.DeleteMember(cmd.Context(), p.ID, m.ID, client.DeleteMemberParams{})
	})
}
