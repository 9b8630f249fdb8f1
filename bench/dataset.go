package main

import (
	"fmt"
	"strings"
	"time"

	"maestro/registry"
	"maestro/tenancy"
	"maestro/tracking"
)

// dataSet says how much data a workload runs on, before scaling.
type dataSet struct {
	name        string
	tenants     int
	projects    int // of each tenant
	artifacts   int // of each tenant
	users       int // of each tenant, its admin included
	predictions int // of each tenant; some of its projects are then completed, to learn from
	deep        int // projects of one tenant more, for deep pages
	library     int // artifacts of one tenant more, for search
}

// The data sets.
var (
	smallSet = dataSet{name: "small", tenants: 10, projects: 1000, users: 1}
	wideSet  = dataSet{name: "wide", tenants: 100, projects: 10_000, users: 1, deep: 51_000, library: 500_000}
	bigSet   = dataSet{name: "big", tenants: 100, projects: 1000, artifacts: 5000, users: 100, predictions: 10_000}
)

// scaled returns the set with a share of its rows, and at least what the workloads
// need to run at all: two pages and two tenants.
func (s dataSet) scaled(by float64) dataSet {
	scale := func(n *int, least int) {
		if *n > 0 {
			*n = max(int(float64(*n)*by), min(*n, least))
		}
	}
	scale(&s.tenants, 2)
	scale(&s.projects, 2*pageSize)
	scale(&s.artifacts, 2*pageSize)
	scale(&s.users, 2)
	scale(&s.predictions, pageSize)
	scale(&s.deep, 4*pageSize)
	scale(&s.library, 2*pageSize)
	return s
}

// projectKinds is after how many projects everything but their names repeats: the
// least common multiple of 7 classes, 100 complexities and 12 team sizes.
const projectKinds = 2100

// project returns the n-th project: about 500 bytes of JSON.
func project(n int) tracking.ProjectFields {
	class := []string{"classification", "regression", "nlp", "forecasting", "recommendation", "vision", "clustering"}[n%7]
	complexity, team := float64(1+n%100), int64(1+n%12)
	fields := tracking.ProjectFields{
		Name:            fmt.Sprintf("%s %d", title(n), n),
		Description:     "Forecasts the demand of each store for the next four weeks.",
		ProblemClass:    &class,
		Status:          tracking.Active,
		ComplexityScore: &complexity,
		TeamSize:        &team,
	}
	return fields
}

// completedEvery is how many projects of a tenant with predictions one completed
// project is among.
const completedEvery = 20

// completed returns the n-th project as one that was completed, with outcomes that
// follow from its complexity and team.
func completed(n int) tracking.ProjectFields {
	fields := project(n)
	fields.Status = tracking.Completed
	start := tenancy.MinTime + tenancy.Time(20_000*24*time.Hour/time.Microsecond)
	days := 20 + *fields.ComplexityScore*2 + float64(n%17)
	end := start + tenancy.Time(days*24*float64(time.Hour/time.Microsecond))
	performance, cost := 0.6+float64(n%40)/100, days*float64(*fields.TeamSize)*100
	impact := *fields.ComplexityScore*1000 - cost/10
	fields.StartDate, fields.CompletionDate = &start, &end
	fields.ModelPerformance, fields.ComputeCost, fields.BusinessImpact = &performance, &cost, &impact
	return fields
}

// planned returns what the n-th prediction is asked about.
func planned(n int) tracking.PredictionRequest {
	p := project(n)
	request := tracking.PredictionRequest{Level: tracking.DefaultLevel}
	request.ProblemClass, request.ComplexityScore, request.TeamSize = p.ProblemClass, p.ComplexityScore, p.TeamSize
	return request
}

// artifact returns the n-th artifact.
func artifact(n int) registry.ArtifactFields {
	return registry.ArtifactFields{
		Name:        fmt.Sprintf("%s %s", title(n), words[(n*31)%len(words)]),
		Type:        registry.ArtifactTypes[n%len(registry.ArtifactTypes)],
		Version:     fmt.Sprintf("1.%d.0", n), // unique, with whatever name
		Description: fmt.Sprintf("Prepares %s for %s.", words[(n*17)%len(words)], words[(n*13)%len(words)]),
		Tags:        []string{words[n%len(words)], words[(n/len(words))%len(words)]},
		IsActive:    true,
	}
}

// title returns two words, the frequent ones more often: n's low digits pick
// from the whole vocabulary for the one, from its start for the other.
func title(n int) string {
	first := words[(n*n+n)%len(words)]
	return strings.ToUpper(first[:1]) + first[1:] + " " + words[(n*7)%min(40, len(words))]
}

// words are what names are made of, and what people type when they search.
var words = strings.Fields(`
	customer churn feature pipeline demand forecast store sales revenue price promotion basket product catalogue image
	text document language sentiment topic intent entity speech audio signal sensor vibration turbine engine battery
	grid energy load weather wind solar traffic route delivery warehouse inventory supply order shipment return fraud
	transaction payment card account credit risk default loan claim policy insurance patient hospital diagnosis
	scan radiology genome protein molecule compound trial dose cohort survival outcome student course exam grade
	recommendation ranking search query click session user profile segment cluster embedding vector index graph node
	edge anomaly outlier drift monitor alert incident log trace metric latency capacity budget cost baseline model
	template schema notebook dataset config report training validation test split fold sample label annotation quality
	imputation scaling encoder decoder tokenizer normaliser extractor selector reducer aggregator window lag calendar
	holiday season trend residual ensemble stack forest tree boost linear logistic neural network layer attention
	transformer convolution recurrent policy reward agent environment simulation scenario plan schedule shift crew
`)
