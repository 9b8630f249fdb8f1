package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maestro/client"
	"maestro/tracking"
)

// week is the period of the weekly series. Weeks begin on Monday, 00:00 UTC.
const week = 7 * 24 * time.Hour

// collaborationWeeks is the period over which contributors, commits and branches
// are counted together: a quarter, so that a quiet week does not look like an
// empty team.
const collaborationWeeks = 13

// The metric types that only this collector records: lines added and removed in a
// week, and the collaboration score of the weeks up to it.
const (
	churn         = "churn"
	collaboration = "collaboration_score"
)

// commit is what the series need of one.
type commit struct {
	at     time.Time
	author string // e-mail, after the repository's .mailmap
	branch string // by which it was reached
	lines  int64  // added and removed
}

func (a *app) collectCommand() *cobra.Command {
	return remote(a.group("collect", "Collect process metrics where they arise", a.collectGit(), a.collectCI()))
}

func (a *app) collectGit() *cobra.Command {
	var project, since string
	var current, preview bool
	c := &cobra.Command{Use: "git [DIR]", Short: "Post a clone's history as weekly process metrics of a project", Args: cobra.MaximumNArgs(1),
		Long: "Runs git log in DIR (default the working directory) over all branches and posts, for every week (Monday, 00:00 UTC):\n" +
			"  commits_per_week, churn                commits, and lines added and removed, in the week\n" +
			"  commits, contributors, active_branches counted over the 13 weeks that end with the week\n" +
			"  collaboration_score                    of those three\n" +
			"Weeks that the project has already are left out, so it can run every week. Merges do not count as commits.",
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			commits, err := gitLog(cmd.Context(), dir)
			if err != nil {
				return err
			}
			points := gitSeries(commits, time.Now(), current)
			if len(points) == 0 {
				a.note("No week of the clone's history is over: --current-week includes the one that is not.")
			}
			if preview {
				return printList(a.out, a.form, pointColumns, points)
			}
			if project == "" {
				return usage("--project is needed, unless --preview is set")
			}
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			p, err := findProject(cmd.Context(), c, project)
			if err != nil {
				return err
			}
			n, err := postSeries(cmd.Context(), c, p.ID, points, since)
			if err != nil {
				return err
			}
			a.note("Recorded %d points of %d commits for %s.", n, len(commits), p.Name)
			return nil
		}}
	c.Flags().StringVar(&project, "project", "", "the project, by name or id")
	c.Flags().StringVar(&since, "since", "", "only weeks that begin at this time or later (default after the latest that is recorded)")
	c.Flags().BoolVar(&current, "current-week", false, "include the week that is not over")
	c.Flags().BoolVar(&preview, "preview", false, "show the points and send nothing")
	return c
}

// gitFormat is one header line a commit: a mark, then time, author and branch.
// The mark cannot begin a line of --numstat.
const gitFormat = "--format=%x01%ct%x00%aE%x00%S"

// gitLog reads the commits of all branches of a clone, oldest first.
func gitLog(ctx context.Context, dir string) ([]commit, error) {
	command := exec.CommandContext(ctx, "git", "-C", dir, "log", "--branches", "--remotes", "--no-merges", "--reverse", "--numstat", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", gitFormat, "HEAD")
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var complaint strings.Builder
	command.Stderr = &complaint
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("run git: %w", err)
	}
	commits, err := parseGitLog(out)
	if err != nil {
		_, _ = io.Copy(io.Discard, out) // so that git can end
	}
	if waitErr := command.Wait(); waitErr != nil {
		return nil, fmt.Errorf("git log in %s: %s", dir, strings.TrimSpace(complaint.String()))
	}
	return commits, err
}

// parseGitLog reads what gitFormat and --numstat make.
func parseGitLog(r io.Reader) (commits []commit, err error) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if head, ok := strings.CutPrefix(line, "\x01"); ok {
			parts := strings.Split(strings.TrimSuffix(head, "\n"), "\x00")
			if len(parts) != 3 {
				return nil, errors.New("git log answered in another form than asked for")
			}
			seconds, err := strconv.ParseInt(parts[0], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("git log: %w", err)
			}
			commits = append(commits, commit{at: time.Unix(seconds, 0).UTC(), author: strings.ToLower(parts[1]), branch: branchName(parts[2])})
		} else if parts := strings.SplitN(line, "\t", 3); len(parts) == 3 && len(commits) > 0 {
			for _, text := range parts[:2] { // "-" for binary files, which have no lines
				if n, err := strconv.ParseInt(text, 10, 64); err == nil {
					commits[len(commits)-1].lines += n
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return commits, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// branchName is a branch's name without where the clone keeps it, so that a
// branch and its copy on a remote are one.
func branchName(ref string) string {
	if local, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
		return local
	}
	if remote, ok := strings.CutPrefix(ref, "refs/remotes/"); ok {
		_, name, _ := strings.Cut(remote, "/")
		return name
	}
	return ref
}

// gitSeries makes the weekly points of commits, oldest first, from the first
// commit's week to the last week before now that is over; to the current one if
// asked to.
func gitSeries(commits []commit, now time.Time, current bool) []client.Point {
	if len(commits) == 0 {
		return nil
	}
	commits = slices.Clone(commits)
	slices.SortStableFunc(commits, func(x, y commit) int { return x.at.Compare(y.at) })
	end := monday(now)
	if current {
		end = end.Add(week)
	}
	var points []client.Point
	for start := monday(commits[0].at); start.Before(end); start = start.Add(week) {
		quarter := between(commits, start.Add(week-collaborationWeeks*week), start.Add(week))
		this := between(quarter, start, start.Add(week))
		lines := int64(0)
		for _, c := range this {
			lines += c.lines
		}
		latest := tracking.Latest{
			tracking.Commits:        float64(len(quarter)),
			tracking.Contributors:   distinct(quarter, func(c *commit) string { return c.author }),
			tracking.ActiveBranches: distinct(quarter, func(c *commit) string { return c.branch }),
		}
		for _, m := range []struct {
			name  string
			value float64
		}{
			{tracking.CommitsPerWeek, float64(len(this))},
			{churn, float64(lines)},
			{tracking.Commits, latest[tracking.Commits]},
			{tracking.Contributors, latest[tracking.Contributors]},
			{tracking.ActiveBranches, latest[tracking.ActiveBranches]},
			{collaboration, *tracking.Collaboration(latest).Score}, // which is there where any of them is
		} {
			points = append(points, client.Point{MetricType: m.name, MetricValue: m.value, Timestamp: timestamp(start), Metadata: map[string]any{"source": "git"}})
		}
	}
	return points
}

// monday is the beginning of t's week.
func monday(t time.Time) time.Time {
	t = t.UTC().Truncate(24 * time.Hour)
	return t.AddDate(0, 0, -(int(t.Weekday())+6)%7)
}

// between returns those of sorted commits that were made at from or later and
// before until.
func between(commits []commit, from, until time.Time) []commit {
	at := func(c commit, t time.Time) int { return c.at.Compare(t) }
	low, _ := slices.BinarySearchFunc(commits, from, at)
	high, _ := slices.BinarySearchFunc(commits, until, at)
	return commits[low:high]
}

func distinct(commits []commit, property func(*commit) string) float64 {
	seen := make(map[string]bool)
	for i := range commits {
		seen[property(&commits[i])] = true
	}
	return float64(len(seen))
}

// postSeries records the points of the weeks from since on or, for "", of those
// after the latest week that the project has.
func postSeries(ctx context.Context, c *client.Client, project string, points []client.Point, since string) (int, error) {
	if since == "" {
		for s, err := range c.AllSummarizeMetrics(ctx, project, client.SummarizeMetricsParams{Limit: pageSize}) {
			if err != nil {
				return 0, err
			}
			if s.MetricType == churn { // which nothing else records
				since = s.LastTime
			}
		}
		if since != "" {
			latest, err := time.Parse(time.RFC3339Nano, since)
			if err != nil {
				return 0, err
			}
			since = *timestamp(latest.Add(time.Microsecond))
		}
	}
	var fresh []client.Point
	from, err := parseInstant(since)
	if err != nil {
		return 0, usage("--since is " + err.Error())
	}
	for _, p := range points {
		at, err := parseInstant(*p.Timestamp)
		if err != nil {
			return 0, err
		}
		if !at.Before(from) {
			p.ProjectID = project
			fresh = append(fresh, p)
		}
	}
	return len(fresh), postPoints(ctx, c, fresh)
}
