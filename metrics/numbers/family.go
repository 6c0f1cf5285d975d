// SPDX-License-Identifier: Apache-2.0

package numbers

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Kind is what may be done with the samples of a family.
type Kind string

// The kinds, as Prometheus' text form calls them. The zero Kind is none.
const (
	Gauge     Kind = "gauge"
	Counter   Kind = "counter"
	Histogram Kind = "histogram"
)

// Family is one metric.
type Family struct {
	Name, Help string
	Kind       Kind
	Labels     []string // names
	Samples    []Sample
}

// Sample is one series of a family at one moment.
type Sample struct {
	Labels []string // values, one for each name
	Value  float64  // of a gauge or a counter
	Counts Counts   // of a histogram
}

// add appends a sample.
func (f *Family) add(value float64, labels ...string) {
	f.Samples = append(f.Samples, Sample{Labels: labels, Value: value})
}

// TextType is the media type of what Write writes.
const TextType = "text/plain; version=0.0.4; charset=utf-8"

// Write writes families in Prometheus' text form.
func Write(w io.Writer, families []Family) error {
	out := bufio.NewWriter(w)
	for i := range families {
		f := &families[i]
		fmt.Fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", f.Name, helpText.Replace(f.Help), f.Name, f.Kind)
		for _, s := range f.Samples {
			if f.Kind != Histogram {
				writeSample(out, f.Name, f.Labels, s.Labels, s.Value)
				continue
			}
			names := append(f.Labels[:len(f.Labels):len(f.Labels)], "le")
			for b, bound := range append(s.Counts.Bounds[:len(s.Counts.Bounds):len(s.Counts.Bounds)], math.Inf(1)) {
				values := append(s.Labels[:len(s.Labels):len(s.Labels)], number(bound))
				writeSample(out, f.Name+"_bucket", names, values, float64(s.Counts.UpTo[b]))
			}
			writeSample(out, f.Name+"_sum", f.Labels, s.Labels, s.Counts.Sum)
			writeSample(out, f.Name+"_count", f.Labels, s.Labels, float64(s.Counts.Count()))
		}
	}
	return out.Flush() // it has the first error of all
}

// What stands for characters that have a meaning in the text form.
var (
	helpText  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelText = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func writeSample(out *bufio.Writer, name string, names, values []string, value float64) {
	out.WriteString(name)
	for i := range names {
		out.WriteByte("{,"[min(i, 1)])
		fmt.Fprintf(out, `%s="%s"`, names[i], labelText.Replace(values[i]))
	}
	if len(names) > 0 {
		out.WriteByte('}')
	}
	fmt.Fprintf(out, " %s\n", number(value))
}

func number(v float64) string {
	if math.IsInf(v, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
