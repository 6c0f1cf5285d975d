// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// row is one line of the table.
type row struct {
	Section string
	Name    string
	Against string  // what Ratio refers to; "" for the section's first line
	Ratio   float64 // 0: the line is what others refer to
	Low     float64 // the rounds' extremes; 0 where there are no rounds
	High    float64
	Figures string  // absolute, with units
	Value   float64 // the main figure, for checks: never zero if it was measured
}

// setRatios sets the median of the per-round ratios and their range.
func (r *row) setRatios(ratios []float64) {
	if len(ratios) > 0 {
		r.Ratio, r.Low, r.High = median(ratios), slices.Min(ratios), slices.Max(ratios)
	}
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// nanos shows a duration with three digits.
func nanos(ns float64) string {
	switch d := time.Duration(ns); {
	case d < time.Microsecond:
		return fmt.Sprintf("%.3g ns", ns)
	case d < time.Millisecond:
		return fmt.Sprintf("%.3g us", ns/1e3)
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", ns/1e6)
	}
	return fmt.Sprintf("%.3g s", ns/1e9)
}

// printTable writes the lines, section by section.
func printTable(w io.Writer, rows []row) {
	section := ""
	for _, r := range rows {
		if r.Section != section {
			section = r.Section
			fmt.Fprintf(w, "\n%s\n", section)
		}
		ratio, spread := "1", ""
		if r.Ratio != 0 {
			ratio = fmt.Sprintf("%.3g", r.Ratio)
			if r.Ratio >= 0.1 && r.Ratio < 10 {
				ratio = fmt.Sprintf("%.2f", r.Ratio)
			}
		}
		if r.Low != 0 {
			spread = fmt.Sprintf("%.2f-%.2f", r.Low, r.High)
		}
		line := fmt.Sprintf("  %-46s %7s  %-10s %s", r.Name, ratio, spread, r.Figures)
		if r.Against != "" {
			line += "  [of " + r.Against + "]"
		}
		fmt.Fprintln(w, line)
	}
}
