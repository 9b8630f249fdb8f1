package cli

import (
	"context"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"maestro/client"
	"maestro/registry"
)

var artifactFields = []field{
	{flag: "type", member: "type", unit: "TYPE", help: strings.Join(registry.ArtifactTypes[:], ", "), words: registry.ArtifactTypes[:]},
	{flag: "description", member: "description", unit: "TEXT", help: "what it is and how to use it"},
	{flag: "tag", member: "tags", kind: listField, help: "a tag; may be given several times"},
	{flag: "media-type", member: "media_type", unit: "TYPE", help: "media type of its content"},
	{flag: "storage-uri", member: "storage_uri", unit: "URI", help: "where its content is, when it is kept elsewhere"},
	{flag: "metadata", member: "metadata", kind: objectField, unit: "JSON", help: "free JSON object"},
}

var artifactColumns = []column[client.Artifact]{
	{name: "name", value: func(x *client.Artifact) any { return x.Name }},
	{name: "version", value: func(x *client.Artifact) any { return x.Version }},
	{name: "type", value: func(x *client.Artifact) any { return x.Type }},
	{name: "tags", value: func(x *client.Artifact) any { return x.Tags }},
	{name: "size_bytes", value: func(x *client.Artifact) any { return sizeOf(x.SizeBytes) }},
	{name: "usage_count", value: func(x *client.Artifact) any { return x.UsageCount }},
	{name: "avg_impact_score", value: func(x *client.Artifact) any { return x.AvgImpactScore }},
	{name: "is_active", value: func(x *client.Artifact) any { return x.IsActive }, extra: true},
	{name: "media_type", value: func(x *client.Artifact) any { return x.MediaType }, extra: true},
	{name: "content_hash", value: func(x *client.Artifact) any { return x.ContentHash }, extra: true},
	{name: "storage_uri", value: func(x *client.Artifact) any { return x.StorageURI }, extra: true},
	{name: "description", value: func(x *client.Artifact) any { return x.Description }, extra: true},
	{name: "metadata", value: func(x *client.Artifact) any { return x.Metadata }, extra: true},
	{name: "created_at", value: func(x *client.Artifact) any { return instant(x.CreatedAt) }, extra: true},
	{name: "id", value: func(x *client.Artifact) any { return x.ID }},
}

func sizeOf(n *int64) any {
	if n == nil {
		return nil
	}
	return byteCount(*n)
}

func (a *app) artifactCommand() *cobra.Command {
	return remote(a.group("artifact", "Keep and use the library of artifacts",
		a.artifactList(), a.artifactShow(), a.artifactSearch(), a.artifactTop(), a.artifactPush(), a.artifactPull(),
		a.artifactUpdate(), a.artifactUse(), a.artifactDelete()))
}

func (a *app) artifactList() *cobra.Command {
	var params client.ListArtifactsParams
	var limit int
	c := &cobra.Command{Use: "list", Short: "List artifacts", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		c, err := a.connect(cmd)
		if err != nil {
			return err
		}
		params.Limit = pageSize
		artifacts, err := collect(c.AllArtifacts(cmd.Context(), params), limit)
		if err != nil {
			return err
		}
		return printList(a.out, a.form, artifactColumns, artifacts)
	}}
	c.Flags().StringVar(&params.Type, "type", "", "only of this type")
	c.Flags().StringVar(&params.Tag, "tag", "", "only with this tag")
	c.Flags().StringVar(&params.Sort, "sort", "", "by what; -name for descending")
	c.Flags().IntVar(&limit, "limit", 0, "at most so many (default all)")
	return c
}

// onArtifact is a command whose first argument is an artifact.
func (a *app) onArtifact(use, short string, args cobra.PositionalArgs, do func(cmd *cobra.Command, c *client.Client, x client.Artifact, args []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, ValidArgsFunction: a.completeArtifacts(),
		Long: short + ".\n\nARTIFACT is an id, NAME@VERSION, or NAME for its latest version.",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			x, err := findArtifact(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return do(cmd, c, x, args[1:])
		}}
}

func (a *app) artifactShow() *cobra.Command {
	return a.onArtifact("show ARTIFACT", "Show an artifact", cobra.ExactArgs(1), func(_ *cobra.Command, _ *client.Client, x client.Artifact, _ []string) error {
		return printOne(a.out, a.form, artifactColumns, x)
	})
}

func (a *app) artifactSearch() *cobra.Command {
	var query client.ArtifactSearch
	var impact float64
	var limit int
	c := &cobra.Command{Use: "search [WORDS...]", Short: "Search names, descriptions and tags", RunE: func(cmd *cobra.Command, args []string) error {
		query.Query = strings.Join(args, " ")
		if cmd.Flags().Changed("min-impact") {
			query.MinImpactScore = &impact
		}
		c, err := a.connect(cmd)
		if err != nil {
			return err
		}
		artifacts, err := collect(searchPages(cmd.Context(), c, query), limit)
		if err != nil {
			return err
		}
		return printList(a.out, a.form, artifactColumns, artifacts)
	}}
	c.Flags().StringVar(&query.Type, "type", "", "only of this type")
	c.Flags().StringSliceVar(&query.Tags, "tag", nil, "only with this tag; may be given several times")
	c.Flags().Float64Var(&impact, "min-impact", 0, "only with at least this mean impact score")
	c.Flags().IntVar(&limit, "limit", 50, "at most so many")
	return c
}

// searchPages iterates over all that a search finds. Its cursor is in the body.
func searchPages(ctx context.Context, c *client.Client, query client.ArtifactSearch) iter.Seq2[client.Artifact, error] {
	return func(yield func(client.Artifact, error) bool) {
		for {
			page, err := c.SearchArtifacts(ctx, query)
			if err != nil {
				yield(client.Artifact{}, err)
				return
			}
			for _, x := range page.Items {
				if !yield(x, nil) {
					return
				}
			}
			if page.NextCursor == nil {
				return
			}
			query.Cursor = *page.NextCursor
		}
	}
}

var rankedColumns = []column[client.RankedArtifact]{
	{name: "name", value: func(x *client.RankedArtifact) any { return x.Name }},
	{name: "version", value: func(x *client.RankedArtifact) any { return x.Version }},
	{name: "type", value: func(x *client.RankedArtifact) any { return x.Type }},
	{name: "ranking_estimate", value: func(x *client.RankedArtifact) any { return x.RankingEstimate }},
	{name: "avg_impact_score", value: func(x *client.RankedArtifact) any { return x.AvgImpactScore }},
	{name: "usage_count", value: func(x *client.RankedArtifact) any { return x.UsageCount }},
	{name: "id", value: func(x *client.RankedArtifact) any { return x.ID }},
}

func (a *app) artifactTop() *cobra.Command {
	var params client.TopArtifactsParams
	c := &cobra.Command{Use: "top", Short: "Rank artifacts by how much they help", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		c, err := a.connect(cmd)
		if err != nil {
			return err
		}
		top, err := c.TopArtifacts(cmd.Context(), params)
		if err != nil {
			return err
		}
		return printList(a.out, a.form, rankedColumns, top.Items)
	}}
	c.Flags().StringVar(&params.Type, "type", "", "only of this type")
	c.Flags().StringVar(&params.ProblemClass, "problem-class", "", "by the scores from projects of this class alone")
	c.Flags().Int64Var(&params.Limit, "limit", 10, "at most so many")
	return c
}

func (a *app) artifactUpdate() *cobra.Command {
	fields := append([]field{
		{flag: "name", member: "name", unit: "NAME", help: "its new name"},
		{flag: "active", member: "is_active", kind: boolField, help: "--active=false keeps it out of search and ranking"},
	}, artifactFields...)
	c := a.onArtifact("update ARTIFACT", "Change what is said of an artifact", cobra.ExactArgs(1), func(cmd *cobra.Command, c *client.Client, x client.Artifact, _ []string) error {
		patch, err := readPatch[client.ArtifactFieldsPatch](cmd, fields)
		if err != nil {
			return err
		}
		if x, err = c.UpdateArtifact(cmd.Context(), x.ID, client.UpdateArtifactParams{}, patch); err != nil {
			return err
		}
		return printOne(a.out, a.form, artifactColumns, x)
	})
	addFields(c, fields)
	addClear(c, fields)
	return c
}

var usageColumns = []column[client.Usage]{
	{name: "used_at", value: func(u *client.Usage) any { return instant(u.UsedAt) }},
	{name: "artifact_id", value: func(u *client.Usage) any { return u.ArtifactID }},
	{name: "project_id", value: func(u *client.Usage) any { return u.ProjectID }},
	{name: "impact_score", value: func(u *client.Usage) any { return u.ImpactScore }},
	{name: "impact_source", value: func(u *client.Usage) any { return u.ImpactSource }},
	{name: "id", value: func(u *client.Usage) any { return u.ID }},
}

func (a *app) artifactUse() *cobra.Command {
	var project string
	fields := []field{
		{flag: "impact", member: "impact_score", kind: numberField, unit: "0..100", help: "how much it helped; otherwise the project's success score, once it is completed"},
		{flag: "context", member: "context", kind: objectField, unit: "JSON", help: "free JSON object"},
	}
	c := a.onArtifact("use ARTIFACT --project PROJECT", "Record that a project uses an artifact", cobra.ExactArgs(1), func(cmd *cobra.Command, c *client.Client, x client.Artifact, _ []string) error {
		members, err := readFields(cmd, fields)
		if err != nil {
			return err
		}
		p, err := findProject(cmd.Context(), c, project)
		if err != nil {
			return err
		}
		members["project_id"] = p.ID
		body, err := decodeFields[client.UsageFields](members)
		if err != nil {
			return err
		}
		u, err := c.UseArtifact(cmd.Context(), x.ID, client.UseArtifactParams{}, body)
		if err != nil {
			return err
		}
		return printOne(a.out, a.form, usageColumns, u)
	})
	addFields(c, fields)
	c.Flags().StringVar(&project, "project", "", "the project, by name or id")
	_ = c.MarkFlagRequired("project") // the flag is there
	return c
}

func (a *app) artifactDelete() *cobra.Command {
	return a.onArtifact("delete ARTIFACT", "Delete an artifact, its usages and its content", cobra.ExactArgs(1), func(cmd *cobra.Command, c *client.Client, x client.Artifact, _ []string) error {
		return c.DeleteArtifact(cmd.Context(), x.ID, client.DeleteArtifactParams{})
	})
}
