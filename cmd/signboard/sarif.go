package main

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"

	"signboard/handlers/api"
	"signboard/inventory"
	"signboard/views"
)

// What a code scanner reads: the parts of SARIF 2.1.0 (OASIS standard) that an
// answer needs, by the names of its section 3.

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool        sarifTool         `json:"tool"`
	Invocations []sarifInvocation `json:"invocations"`
	Results     []sarifResult     `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version"`
	Rules   []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID                   string             `json:"id"`
	ShortDescription     sarifMessage       `json:"shortDescription"`
	HelpURI              string             `json:"helpUri,omitempty"`
	DefaultConfiguration sarifConfiguration `json:"defaultConfiguration"`
}

type sarifConfiguration struct {
	Level string `json:"level"`
}

type sarifMessage struct {
	Text string `json:"text"`
}

type sarifInvocation struct {
	ExecutionSuccessful bool `json:"executionSuccessful"`
}

type sarifResult struct {
	RuleID              string            `json:"ruleId"`
	RuleIndex           int               `json:"ruleIndex"`
	Level               string            `json:"level"`
	Message             sarifMessage      `json:"message"`
	Locations           []sarifLocation   `json:"locations"`
	PartialFingerprints map[string]string `json:"partialFingerprints"`
}

type sarifLocation struct {
	PhysicalLocation sarifPhysical  `json:"physicalLocation"`
	LogicalLocations []sarifLogical `json:"logicalLocations"`
}

// sarifPhysical: scanners show nothing without a place in a file. An image has
// none, so its repository stands for one.
type sarifPhysical struct {
	ArtifactLocation sarifArtifact `json:"artifactLocation"`
	Region           sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

type sarifLogical struct {
	FullyQualifiedName string `json:"fullyQualifiedName"`
	Kind               string `json:"kind"`
}

// newSARIF is an answer for a code scanner: a result for each image that doesn't
// pass, and a rule for each reason among them. What policy says no to is an
// error, what could not be decided a warning of a run that didn't succeed. home
// is where the reasons are explained.
func newSARIF(a api.Answer, home string) sarifLog {
	run := sarifRun{
		Tool:        sarifTool{sarifDriver{Name: "Signboard", Version: version(), Rules: []sarifRule{}}},
		Invocations: []sarifInvocation{{ExecutionSuccessful: a.Decided}},
		Results:     []sarifResult{},
	}
	rules := map[inventory.Reason]int{}
	for _, i := range a.Images {
		if i.Allowed {
			continue
		}
		n, ok := rules[i.Reason]
		if !ok {
			n = len(rules)
			rules[i.Reason] = n
			rule := sarifRule{
				ID: string(i.Reason), ShortDescription: sarifMessage{views.ReasonSentence(i.Reason)}, DefaultConfiguration: sarifConfiguration{"error"},
			}
			if home != "" && i.Reason.Known() {
				rule.HelpURI = learn(home, i.Reason)
			}
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
		}
		level := "error"
		if !i.Decided {
			level = "warning"
		}
		repository := repositoryOf(i.Reference)
		run.Results = append(run.Results, sarifResult{
			RuleID: string(i.Reason), RuleIndex: n, Level: level,
			Message: sarifMessage{inventory.Visible(i.Reference) + ": " + inventory.Visible(i.Message)},
			Locations: []sarifLocation{{
				PhysicalLocation: sarifPhysical{sarifArtifact{path(repository)}, sarifRegion{1}},
				LogicalLocations: []sarifLogical{{FullyQualifiedName: inventory.Visible(i.Reference), Kind: "resource"}},
			}},
			// A new build of an image doesn't make another finding of the old one.
			PartialFingerprints: map[string]string{"repositoryAndReason/v1": fingerprint(repository, i.Reason)},
		})
	}
	return sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
}

// repositoryOf is what somebody typed without its tag and its digest.
func repositoryOf(typed string) string {
	name, _, _ := strings.Cut(strings.TrimSpace(typed), "@")
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name = name[:colon]
	}
	return name
}

// path is a name as a relative reference (RFC 3986, section 4.2).
func path(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = strings.ReplaceAll(url.PathEscape(part), ":", "%3A") // in the first it would end a scheme
	}
	return strings.TrimLeft(strings.Join(parts, "/"), "/")
}

func fingerprint(repository string, r inventory.Reason) string {
	sum := sha256.Sum256([]byte(repository + "\n" + string(r)))
	return hex.EncodeToString(sum[:])
}
