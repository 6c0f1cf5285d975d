// SPDX-License-Identifier: Apache-2.0

package awsapi

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Class is a kind of operation for throttling (docs/spec/ec2-api.md section 1.11).
type Class uint8

// The classes.
const (
	ClassMutate   Class = iota // whatever is none of the others
	ClassDescribe              // operations that only show
	ClassRun                   // operations that make instances run
	numClasses
)

var classNames = [numClasses]string{"mutate", "describe", "run"}

// String returns the class's name in flags.
func (c Class) String() string { return classNames[c] }

// ClassOf returns the class of an operation of any service.
func ClassOf(action string) Class {
	for _, verb := range []string{"Describe", "Get", "List", "Search"} {
		if strings.HasPrefix(action, verb) {
			return ClassDescribe
		}
	}
	if action == "RunInstances" || action == "StartInstances" {
		return ClassRun
	}
	return ClassMutate
}

// Rate is what one account may call in one Region: a bucket of Burst tokens, full
// at first, that PerSecond tokens are added to. Each call takes one. The zero
// Rate is no limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Rates are the limits of each class. The zero Rates limit nothing.
type Rates [numClasses]Rate

const maxRate = 1e6 // per second, and tokens

// UnmarshalText reads rates as MarshalText writes them, in any order; classes
// that are left out have no limit.
func (r *Rates) UnmarshalText(text []byte) error {
	*r = Rates{}
	if len(text) == 0 {
		return nil
	}
	for _, part := range strings.Split(string(text), ",") {
		name, rate, _ := strings.Cut(part, "=")
		class := slices.Index(classNames[:], name)
		if class < 0 {
			return fmt.Errorf("throttle %q: begin with one of %s and =", part, strings.Join(classNames[:], ", "))
		}
		if r[class] != (Rate{}) {
			return fmt.Errorf("throttle %q: give %s once", part, name)
		}
		perSecond, burst, _ := strings.Cut(rate, ":")
		var err, errBurst error
		r[class].PerSecond, err = strconv.ParseFloat(perSecond, 64)
		r[class].Burst, errBurst = strconv.Atoi(burst)
		if err != nil || errBurst != nil || !(r[class].PerSecond > 0) || r[class].PerSecond > maxRate || r[class].Burst < 1 || r[class].Burst > maxRate {
			return fmt.Errorf("throttle %q: write calls per second and burst, for example %s=20:100", part, name)
		}
	}
	return nil
}

// MarshalText writes the limits as describe=20:100,run=0.5:2, calls per second
// and burst.
func (r Rates) MarshalText() ([]byte, error) {
	var parts []string
	for class, rate := range r {
		if rate != (Rate{}) {
			parts = append(parts, fmt.Sprintf("%s=%s:%d", Class(class), strconv.FormatFloat(rate.PerSecond, 'g', -1, 64), rate.Burst))
		}
	}
	return []byte(strings.Join(parts, ",")), nil
}

// throttle holds the buckets of everybody who called. There are three for each
// Region of each account at most.
type throttle struct {
	rates Rates
	now   func() time.Time

	mu      sync.Mutex
	buckets map[bucketOf]bucket
}

// bucketOf says whose a bucket is.
type bucketOf struct {
	account, region string
	class           Class
}

// bucket is what it held at a time.
type bucket struct {
	tokens float64
	at     time.Time
}

func newThrottle(rates Rates, now func() time.Time) *throttle {
	return &throttle{rates: rates, now: now, buckets: map[bucketOf]bucket{}}
}

// admits takes a token of a class, and reports whether there was one.
func (t *throttle) admits(c *Caller, class Class) bool {
	rate := t.rates[class]
	if rate == (Rate{}) {
		return true
	}
	whose := bucketOf{c.Account, c.Region, class}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	b, known := t.buckets[whose]
	if !known {
		b = bucket{float64(rate.Burst), now}
	}
	if passed := now.Sub(b.at); passed > 0 { // a clock that was set back adds nothing
		b.tokens = math.Min(b.tokens+passed.Seconds()*rate.PerSecond, float64(rate.Burst))
	}
	b.at = now
	admitted := b.tokens >= 1
	if admitted {
		b.tokens--
	}
	t.buckets[whose] = b
	return admitted
}
