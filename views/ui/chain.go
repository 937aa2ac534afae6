package ui

import (
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"signboard/inventory"
)

// ChainLink is one link of a trust chain with the checks that concern it.
type ChainLink struct {
	inventory.Link
	Made []inventory.Check // the link's own checks, in the signature's order
}

// ChainLinks gives each link its checks. A check that no link names goes to the
// signature, or to the last link where there is none, so that none is lost.
// Branches follow the signature, of which they say something, wherever the
// verifier listed them.
func ChainLinks(s inventory.Signature) []ChainLink {
	chain := branched(s.Chain)
	links := make([]ChainLink, len(chain))
	for i, l := range chain {
		links[i].Link = l
	}
	for _, c := range s.Checks {
		at, named := -1, false
		for i, l := range chain {
			for _, name := range l.Checks {
				if name == c.Name {
					links[i].Made = append(links[i].Made, c)
					named = true
					break
				}
			}
			if at < 0 && l.Role == inventory.RoleSignature {
				at = i
			}
		}
		if named {
			continue
		}
		if at < 0 {
			at = len(links) - 1
		}
		if at >= 0 {
			links[at].Made = append(links[at].Made, c)
		}
	}
	return links
}

// branched is the chain with its branches right after the signature.
func branched(chain []inventory.Link) []inventory.Link {
	at := slices.IndexFunc(chain, func(l inventory.Link) bool { return l.Role == inventory.RoleSignature })
	if at < 0 {
		return chain
	}
	var before, beside, after []inventory.Link
	for i, l := range chain {
		switch {
		case l.Role.Branch():
			beside = append(beside, l)
		case i <= at:
			before = append(before, l)
		default:
			after = append(after, l)
		}
	}
	return slices.Concat(before, beside, after)
}

// State is the worst of the link's checks: a failure, then one that could not
// be made, then one that passed. Checks that were left out count only when
// there is no other. Without checks the link has no state.
func (l ChainLink) State() (result inventory.Result, ok bool) {
	rank := func(r inventory.Result) int {
		switch r {
		case inventory.Fail:
			return 4
		case inventory.Pass:
			return 2
		case inventory.Skip:
			return 1
		}
		return 3
	}
	for _, c := range l.Made {
		if !ok || rank(c.Result) > rank(result) {
			result, ok = c.Result, true
		}
	}
	return result, ok
}

// key is the class and the mark of the link's state.
func (l ChainLink) key() string {
	if r, ok := l.State(); ok {
		return resultKey(r)
	}
	return "none"
}

func (l ChainLink) word() string {
	if r, ok := l.State(); ok {
		return ResultWord(r)
	}
	return "No check of its own"
}

// hasDetails reports whether more is known of the link than its name.
func (l ChainLink) hasDetails() bool {
	return l.Fingerprint != "" && l.Fingerprint != l.Name || l.Issuer != "" || l.NotBefore != nil || l.NotAfter != nil || len(l.Facts) > 0
}

// The picture's measures, in units of the drawing.
const (
	chainWidth  = 1176 // what a wide screen has room for
	rowOfLinks  = 6    // links of the line that fit beside each other
	nodeFrame   = 63   // a node without its name
	lineHeight  = 15   // of a name
	nodeGap     = 28   // between links of the line
	branchGap   = 16   // between branches
	rowGap      = 36   // between rows
	chainMargin = 2
	railInset   = 14 // from the left edge to the line that runs down
)

// chainNode is a link with its place in the picture.
type chainNode struct {
	ChainLink
	X, Y  int
	Lines []string // its name
	Line  string   // path of the connection from the link before; empty for the first
}

// chainPicture is a trust chain laid out to be drawn.
type chainPicture struct {
	Nodes                 []chainNode
	NodeWidth, NodeHeight int
	Width, Height         int
}

// newPicture has nodes of one width, as high as the longest name asks for.
func newPicture(links []ChainLink, nodeWidth, mostLines int) chainPicture {
	p := chainPicture{NodeWidth: nodeWidth}
	lines := 1
	for _, l := range links {
		n := chainNode{ChainLink: l, Lines: nameLines(l.Name, (nodeWidth-24)/7, mostLines)}
		p.Nodes = append(p.Nodes, n)
		lines = max(lines, len(n.Lines))
	}
	p.NodeHeight = nodeFrame + lines*lineHeight
	return p
}

// layAcross lays a chain out from left to right, in as many rows as it takes,
// with its branches hanging below the link they belong to.
func layAcross(links []ChainLink) chainPicture {
	inLine := 0
	for _, l := range links {
		if !l.Role.Branch() {
			inLine++
		}
	}
	rows := max(1, (inLine+rowOfLinks-1)/rowOfLinks)
	perRow := max(1, (inLine+rows-1)/rows)
	p := newPicture(links, min(220, max(172, (chainWidth+nodeGap)/perRow-nodeGap)), 4)
	x, top, column := chainMargin, chainMargin, 0
	under, lowest := 0, 0 // the bottom of the link with its branches so far, and of the row
	for i := range p.Nodes {
		n := &p.Nodes[i]
		switch {
		case i == 0:
			n.X, n.Y, column = x, top, 1
		case n.Role.Branch():
			n.X, n.Y = x, under+branchGap
			n.Line = fmt.Sprintf("M%d %dV%d", x+p.NodeWidth/2, under, n.Y)
		case column == perRow:
			end, middle := x+p.NodeWidth, top+p.NodeHeight/2
			x, top, column = chainMargin, lowest+rowGap, 1
			n.X, n.Y = x, top
			n.Line = fmt.Sprintf("M%d %dH%dV%dH%dV%d", end, middle, end+railInset/2, lowest+rowGap/2, x+p.NodeWidth/2, top)
			p.Width = max(p.Width, end+railInset)
		default:
			x, column = x+p.NodeWidth+nodeGap, column+1
			n.X, n.Y = x, top
			n.Line = fmt.Sprintf("M%d %dH%d", x-nodeGap, top+p.NodeHeight/2, x)
		}
		under = n.Y + p.NodeHeight
		lowest = max(lowest, under)
		p.hold(*n)
	}
	return p
}

// layDown lays a chain out from top to bottom along a rail, with its branches
// set in beside it.
func layDown(links []ChainLink) chainPicture {
	p := newPicture(links, 284, 4)
	rail := chainMargin + railInset
	y, from := chainMargin, chainMargin
	for i := range p.Nodes {
		n := &p.Nodes[i]
		n.X, n.Y = chainMargin, y
		switch {
		case i == 0:
			from = y + p.NodeHeight
		case n.Role.Branch():
			y += p.NodeHeight + branchGap
			n.X, n.Y = chainMargin+2*railInset, y
			n.Line = fmt.Sprintf("M%d %dV%dH%d", rail, from, y+p.NodeHeight/2, n.X)
		default:
			y += p.NodeHeight + branchGap
			n.Y = y
			n.Line = fmt.Sprintf("M%d %dV%d", rail, from, y)
			from = y + p.NodeHeight
		}
		p.hold(*n)
	}
	return p
}

// hold makes the picture large enough for a node.
func (p *chainPicture) hold(n chainNode) {
	p.Width = max(p.Width, n.X+p.NodeWidth+chainMargin)
	p.Height = max(p.Height, n.Y+p.NodeHeight+chainMargin)
}

// chainLabel says the picture in one sentence.
func chainLabel(links []ChainLink) string {
	passed := 0
	for _, l := range links {
		if r, ok := l.State(); ok && r == inventory.Pass {
			passed++
		}
	}
	return fmt.Sprintf("Trust chain of %s; in %d everything that was checked passed. The list says each check.",
		Count(len(links), "link", "links"), passed)
}

// nameLines breaks a name into lines of a node, where its parts end if it can.
// Digests keep both ends; a name that needs more than the most lines loses its
// middle, which the list has.
func nameLines(name string, width, most int) []string {
	if d, err := inventory.ParseDigest(name); err == nil {
		return []string{d.Short()}
	}
	name = inventory.Visible(name)
	if lines := broken([]rune(name), width, true); len(lines) <= most {
		return lines
	}
	return broken([]rune(Middle(name, width*most)), width, false)
}

// broken are the lines of a text, none longer than the width.
func broken(text []rune, width int, atParts bool) []string {
	var lines []string
	for len(text) > width {
		cut := width
		if atParts {
			for i := width; i > width/2; i-- {
				if strings.ContainsRune("/@,:| =", text[i-1]) {
					cut = i
					break
				}
			}
		}
		lines, text = append(lines, string(text[:cut])), text[cut:]
	}
	return append(lines, string(text))
}

// validity says when a certificate or key is valid: to the second for one that
// lives for hours, as short-lived certificates do, and else by days.
func validity(l inventory.Link, now time.Time) string {
	switch {
	case l.NotBefore != nil && l.NotAfter != nil && l.NotAfter.Sub(*l.NotBefore) <= 48*time.Hour:
		return "Valid from " + Exact(*l.NotBefore) + ", for " + lasting(l.NotAfter.Sub(*l.NotBefore))
	case l.NotAfter != nil && now.After(*l.NotAfter):
		return "Ran out on " + Day(*l.NotAfter) + ", " + Relative(now, *l.NotAfter)
	case l.NotBefore != nil && now.Before(*l.NotBefore):
		return "Valid only from " + Day(*l.NotBefore) + ", " + Relative(now, *l.NotBefore)
	case l.NotAfter != nil:
		return "Valid until " + Day(*l.NotAfter) + ", " + Relative(now, *l.NotAfter)
	case l.NotBefore != nil:
		return "Valid from " + Day(*l.NotBefore)
	}
	return ""
}

// lasting says how long something lasts.
func lasting(d time.Duration) string {
	switch {
	case d < time.Minute:
		return Count(int(d/time.Second), "second", "seconds")
	case d < 2*time.Hour:
		return Count(int(d/time.Minute), "minute", "minutes")
	}
	return Count(int(d/time.Hour), "hour", "hours")
}

// isPEM reports whether a text is PEM blocks and nothing else: then its line
// breaks are its form and nothing that hides.
func isPEM(text string) bool {
	if strings.IndexFunc(text, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) >= 0 {
		return false
	}
	rest := []byte(text)
	for len(rest) > 0 {
		block, after := pem.Decode(rest)
		if block == nil || !strings.HasPrefix(string(rest), "-----BEGIN ") {
			return false
		}
		rest = after
	}
	return text != ""
}
