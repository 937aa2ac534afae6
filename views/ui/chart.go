package ui

import (
	"fmt"
	"strings"

	"signboard/inventory"
)

// Segment is one status's share of the stacked bar.
type Segment struct {
	Status   inventory.Status
	Count    int
	X, Width string // percent of the bar
}

// Segments divides the bar by status, strongest first. A status that has any
// image is wide enough to be seen; the others give way in proportion.
func Segments(c inventory.Counts) []Segment {
	const least = 1.0 // percent
	var segments []Segment
	total, wide := 0, 0.0
	for _, s := range inventory.Statuses {
		if n := c.Of(s); n > 0 {
			segments = append(segments, Segment{Status: s, Count: n})
			total += n
		}
	}
	width := make([]float64, len(segments))
	for i, s := range segments {
		width[i] = max(least, 100*float64(s.Count)/float64(total))
		wide += width[i]
	}
	at := 0.0
	for i := range segments {
		w := width[i] * 100 / wide
		segments[i].X = fmt.Sprintf("%.3f%%", at)
		segments[i].Width = fmt.Sprintf("%.3f%%", w)
		at += w
	}
	return segments
}

// Percent is a share, rounded so that it never says 100 or 0 when it isn't.
func Percent(part, whole int) string {
	switch {
	case whole <= 0:
		return "–"
	case part <= 0:
		return "0 %"
	case part >= whole:
		return "100 %"
	}
	p := (200*part + whole) / (2 * whole)
	return fmt.Sprintf("%d %%", min(99, max(1, p)))
}

// The measures of the trend's drawing.
const (
	trendWidth  = 560
	trendHeight = 150
	trendLeft   = 44
	trendRight  = 60
	trendTop    = 10
	trendBottom = 24
)

// trendPoint is a day's place in the drawing.
type trendPoint struct {
	X, Y  float64
	Day   inventory.Day
	Share string
}

// trendPoints places the share of trusted images of each day that had any.
func trendPoints(days []inventory.Day) []trendPoint {
	var points []trendPoint
	for i, d := range days {
		if d.Counts.Images == 0 {
			continue
		}
		share := float64(d.Counts.Of(inventory.Trusted)) / float64(d.Counts.Images)
		x := float64(trendLeft)
		if len(days) > 1 {
			x += float64(i) * float64(trendWidth-trendLeft-trendRight) / float64(len(days)-1)
		}
		points = append(points, trendPoint{
			X: x, Y: trendTop + (1-share)*(trendHeight-trendTop-trendBottom),
			Day: d, Share: Percent(d.Counts.Of(inventory.Trusted), d.Counts.Images),
		})
	}
	return points
}

func trendLine(points []trendPoint) string {
	var b strings.Builder
	for i, p := range points {
		verb := "L"
		if i == 0 {
			verb = "M"
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", verb, p.X, p.Y)
	}
	return b.String()
}

func trendArea(points []trendPoint) string {
	if len(points) == 0 {
		return ""
	}
	base := trendHeight - trendBottom
	return fmt.Sprintf("%sL%.1f %dL%.1f %dZ", trendLine(points), points[len(points)-1].X, base, points[0].X, base)
}
