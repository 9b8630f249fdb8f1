package insight

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Member is one person's part in a project.
type Member struct {
	Role       string
	Experience string  // junior, mid, senior, principal
	Hours      float64 // contributed; 0 when not recorded
}

// TeamProject is a finished project as team shape sees it.
type TeamProject struct {
	Class   string  // problem class
	Success float64 // 0 … 100; NaN when there is no score
	Size    int     // people; 0 takes the number of members
	Members []Member
}

// Dimension is a way to tell teams apart.
type Dimension string

// The dimensions of a team's shape.
const (
	BySize       Dimension = "size"
	ByRole       Dimension = "role"       // has at least one of a role
	ByExperience Dimension = "experience" // share of senior and principal people, by hours where recorded
)

// TeamGroup is the outcome of the projects whose teams are alike in one way.
type TeamGroup struct {
	Dimension Dimension
	Value     string // "3 to 5", "data_engineer", "more than half"
	Count     int    // finished projects with a score

	// Mean success and its 90 % interval (Student's t), within 0 … 100; absent with
	// fewer than 3 projects.
	Known bool
	Mean  float64
	Low   float64
	High  float64

	// Against the other projects of the class: the difference of the means and its
	// interval (Welch's t); absent when either side has fewer than 3. LiftLevel is so
	// high that with 90 % certainty all groups' differences lie within their
	// intervals at once (Bonferroni): of many groups some differ by chance.
	Compared  bool
	Others    int
	Uplift    float64
	LiftLow   float64
	LiftHigh  float64
	LiftLevel float64
}

// GroupLevel is the level of the intervals of groups' means.
const GroupLevel = 0.9

const fewTeams = 3

// TeamShape groups the finished projects of a problem class by what their teams
// were like. An empty class takes all. Groups without a project are left out.
func TeamShape(projects []TeamProject, class string) []TeamGroup {
	var scored []TeamProject
	for _, p := range projects {
		if (class == "" || p.Class == class) && !math.IsNaN(p.Success) {
			scored = append(scored, p)
		}
	}
	var groups []TeamGroup
	var sides [][2][]float64
	comparisons := 0
	for _, trait := range traitsOf(scored) {
		var in, out []float64
		for _, p := range scored {
			switch has, known := trait.of(p); {
			case has:
				in = append(in, p.Success)
			case known:
				out = append(out, p.Success)
			}
		}
		if len(in) == 0 {
			continue
		}
		groups = append(groups, TeamGroup{Dimension: trait.dimension, Value: trait.value, Count: len(in), Others: len(out)})
		sides = append(sides, [2][]float64{in, out})
		if len(in) >= fewTeams && len(out) >= fewTeams {
			comparisons++
		}
	}
	for i := range groups {
		groups[i].summarise(sides[i][0])
		groups[i].compare(sides[i][0], sides[i][1], 1-(1-GroupLevel)/float64(max(comparisons, 1)))
	}
	return groups
}

// trait is one thing that a team has or has not.
type trait struct {
	dimension Dimension
	value     string
	of        func(TeamProject) (has, known bool)
}

func traitsOf(projects []TeamProject) []trait {
	bands := []struct {
		value    string
		low, top int
	}{{"1 to 2", 1, 2}, {"3 to 5", 3, 5}, {"6 to 9", 6, 9}, {"10 or more", 10, math.MaxInt}}
	var traits []trait
	for _, band := range bands {
		traits = append(traits, trait{BySize, band.value, func(p TeamProject) (bool, bool) {
			size := p.size()
			return size >= band.low && size <= band.top, size > 0
		}})
	}
	var roles []string
	for _, p := range projects {
		for _, m := range p.Members {
			if m.Role != "" && !slices.Contains(roles, m.Role) {
				roles = append(roles, m.Role)
			}
		}
	}
	slices.Sort(roles)
	for _, role := range roles {
		traits = append(traits, trait{ByRole, role, func(p TeamProject) (bool, bool) {
			return slices.ContainsFunc(p.Members, func(m Member) bool { return m.Role == role }), len(p.Members) > 0
		}})
	}
	shares := []struct {
		value    string
		low, top float64 // above low, up to top
	}{{"none", -1, 0}, {"up to half", 0, 0.5}, {"more than half", 0.5, 1}}
	for _, share := range shares {
		traits = append(traits, trait{ByExperience, share.value, func(p TeamProject) (bool, bool) {
			s, known := p.seniority()
			return known && s > share.low && s <= share.top, known
		}})
	}
	return traits
}

func (p TeamProject) size() int {
	if p.Size > 0 {
		return p.Size
	}
	return len(p.Members)
}

// seniority is the share of senior and principal people in the team: by hours
// where every member's are recorded, else by heads. It is false when no member's
// experience is.
func (p TeamProject) seniority() (float64, bool) {
	byHours := true
	for _, m := range p.Members {
		byHours = byHours && m.Hours > 0
	}
	var senior, all float64
	for _, m := range p.Members {
		weight := 1.0
		if byHours {
			weight = m.Hours
		}
		switch m.Experience {
		case "senior", "principal":
			senior += weight
			all += weight
		case "junior", "mid":
			all += weight
		}
	}
	if all == 0 {
		return 0, false
	}
	return senior / all, true
}

func (g *TeamGroup) summarise(in []float64) {
	if len(in) < fewTeams {
		return
	}
	n := float64(len(in))
	mean, variance := stat.MeanVariance(in, nil)
	reach := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile((1+GroupLevel)/2) * math.Sqrt(variance/n)
	g.Known, g.Mean = true, mean
	g.Low, g.High = max(mean-reach, 0), min(mean+reach, 100)
}

func (g *TeamGroup) compare(in, out []float64, level float64) {
	if len(in) < fewTeams || len(out) < fewTeams {
		return
	}
	n, m := float64(len(in)), float64(len(out))
	mean, variance := stat.MeanVariance(in, nil)
	other, otherVariance := stat.MeanVariance(out, nil)
	a, b := variance/n, otherVariance/m
	g.Compared, g.Uplift, g.LiftLevel = true, mean-other, level
	g.LiftLow, g.LiftHigh = g.Uplift, g.Uplift
	if a+b > 0 {
		freedom := (a + b) * (a + b) / (a*a/(n-1) + b*b/(m-1))
		reach := distuv.StudentsT{Sigma: 1, Nu: freedom}.Quantile((1+level)/2) * math.Sqrt(a+b)
		g.LiftLow, g.LiftHigh = g.Uplift-reach, g.Uplift+reach
	}
}

// Describe names the group in a sentence: "a team of 3 to 5", "a data_engineer".
func (g TeamGroup) Describe() string {
	switch g.Dimension {
	case BySize:
		return fmt.Sprintf("a team of %s", g.Value)
	case ByRole:
		return fmt.Sprintf("a team with %s", g.Value)
	}
	if g.Value == "none" {
		return "a team without senior people"
	}
	return fmt.Sprintf("a team with %s of it senior", g.Value)
}
