// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sys/unix"
)

// calls is what a number of clients got done.
type calls struct {
	rate     float64 // per second
	p50, p99 float64 // ns
	allocs   float64 // per call, of the whole process
	bytes    float64 // allocated, likewise
	cpu      float64 // ns, likewise
}

// call has clients make the same call again and again for the time of a slice.
// Each has a state of its own.
func call[T any](ctx context.Context, i *installation, clients int, client func() (T, error), do func(c T, n int) error) (calls, error) {
	states := make([]T, clients)
	for n := range states {
		var err error
		if states[n], err = client(); err != nil {
			return calls{}, err
		}
	}
	settle()
	var all []int64
	var failed error
	var mu sync.Mutex
	var wg sync.WaitGroup
	var serial atomic.Int64
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	worked, err := cpuTime()
	if err != nil {
		return calls{}, err
	}
	begun := time.Now()
	for _, state := range states {
		wg.Go(func() {
			var took []int64
			var err error
			for err == nil && time.Since(begun) < i.Slice && ctx.Err() == nil {
				t := time.Now()
				err = do(state, int(serial.Add(1)-1))
				took = append(took, int64(time.Since(t)))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			if err != nil {
				failed = err
			}
		})
	}
	wg.Wait()
	lasted := time.Since(begun)
	runtime.ReadMemStats(&after)
	done, err := cpuTime()
	if err != nil {
		return calls{}, err
	}
	if err := context.Cause(ctx); err != nil {
		return calls{}, err
	}
	if failed != nil && failed != errSpent || len(all) == 0 {
		return calls{}, failed
	}
	slices.Sort(all)
	n := float64(len(all))
	return calls{
		rate: n / lasted.Seconds(), p50: float64(percentile(all, 50)), p99: float64(percentile(all, 99)),
		cpu:    float64(done-worked) / n,
		allocs: float64(after.Mallocs-before.Mallocs) / n, bytes: float64(after.TotalAlloc-before.TotalAlloc) / n,
	}, nil
}

// cpuTime returns the CPU time of the process so far.
func cpuTime() (time.Duration, error) {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		return 0, fmt.Errorf("read the CPU time: %w", err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), nil
}

// errSpent ends a measurement early and well: everything that was made for it is
// used up.
var errSpent = errors.New("nothing is left to be measured with")

func (c calls) row(section, name, against string, of float64) row {
	r := row{Section: section, Name: name, Against: against, Value: c.rate,
		Figures: fmt.Sprintf("p50 %s, p99 %s, %.4g/s, CPU %s, %.3g allocations, %.3g KB", nanos(c.p50), nanos(c.p99), c.rate, nanos(c.cpu), c.allocs, c.bytes/1e3)}
	if of > 0 {
		r.Ratio = c.p50 / of
	}
	return r
}

// stateless is the state of clients that need none.
func stateless() (struct{}, error) { return struct{}{}, nil }

const manyClients = 32

// apiRows measures calls of the public API, signed and over HTTP.
func (i *installation) apiRows(ctx context.Context) (rows []row, err error) {
	const floor = "API: what nothing can be faster than here"
	bare, err := call(ctx, i, 1, stateless, func(_ struct{}, n int) error { return i.plainRequest(n) })
	if err != nil {
		return nil, err
	}
	rows = append(rows, bare.row(floor, "an HTTP request that does nothing", "", 0))

	l := new(stock)
	type size struct{ groups, rules int }
	var sizes []size
	for _, n := range i.Groups {
		sizes = append(sizes, size{n, i.GroupRules[0]})
	}
	for _, n := range i.GroupRules[1:] {
		sizes = append(sizes, size{i.Groups[len(i.Groups)-1], n})
	}
	for _, s := range sizes {
		if err := i.fill(ctx, l, i.VPCs, s.groups, s.rules, i.Interfaces); err != nil {
			return nil, fmt.Errorf("fill the store: %w", err)
		}
		section := fmt.Sprintf("API with %d groups of %d rules, %d interfaces, %d VPCs: p50 as ratio", s.groups, s.rules, i.Interfaces, i.VPCs)
		for _, part := range []func(context.Context, *stock, string, float64) ([]row, error){i.readRows, i.sdkRows} {
			more, err := part(ctx, l, section, bare.p50)
			if err != nil {
				return nil, fmt.Errorf("%d groups: %w", s.groups, err)
			}
			rows = append(rows, more...)
		}
		more, err := i.writeRows(ctx, l, section)
		if err != nil {
			return nil, fmt.Errorf("%d groups: %w", s.groups, err)
		}
		rows = append(rows, more...)
		rss, err := residentMemory()
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{Section: section, Name: "resident memory, with client and agent", Value: rss, Figures: fmt.Sprintf("%.4g MB", rss/1e6)})
	}
	more, err := i.coldRows(ctx)
	return append(rows, more...), err
}

// readRows measures Describes with the lean client.
func (i *installation) readRows(ctx context.Context, l *stock, section string, bare float64) (rows []row, err error) {
	target := len(l.groups) / 2
	for _, c := range []struct {
		name, action string
		in           form
	}{
		{"DescribeSecurityGroups by id", "DescribeSecurityGroups", form{"GroupId.1": l.groups[target]}},
		{"... by tag, 10 match", "DescribeSecurityGroups", filter("tag:team", strconv.Itoa(target/teamGroups))},
		{"... by ip-permission.cidr", "DescribeSecurityGroups", filter("ip-permission.cidr", ownBlock(target, 0).String())},
		{"... by vpc-id, 100 match", "DescribeSecurityGroups", filter("vpc-id", l.vpcs[0])},
		{"DescribeSecurityGroupRules by group-id", "DescribeSecurityGroupRules", filter("group-id", l.groups[target])},
	} {
		request, err := i.signed(ctx, c.action, c.in)
		if err != nil {
			return nil, err
		}
		for _, clients := range []int{1, manyClients} {
			got, err := call(ctx, i, clients, i.newLean, func(l *lean, _ int) error { _, err := l.do(request); return err })
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			rows = append(rows, got.row(section, c.name+by(clients), "an empty HTTP request", bare))
		}
	}
	pages, err := i.pages(ctx)
	if err != nil {
		return nil, err
	}
	if len(pages) < len(l.groups)/1000 {
		return nil, fmt.Errorf("%d groups are listed on %d pages", len(l.groups), len(pages))
	}
	full, err := call(ctx, i, 1, i.newLean, func(l *lean, _ int) error {
		for _, request := range pages {
			if _, err := l.do(request); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list all: %w", err)
	}
	return append(rows, full.row(section, "DescribeSecurityGroups, all, 1,000 a page", "an empty HTTP request", bare)), nil
}

func filter(name, value string) form { return form{"Filter.1.Name": name, "Filter.1.Value.1": value} }

func by(clients int) string {
	if clients == 1 {
		return ", 1 client"
	}
	return fmt.Sprintf(", %d clients", clients)
}

// pages returns the calls of a full listing.
func (i *installation) pages(ctx context.Context) (requests [][]byte, err error) {
	l, err := i.newLean()
	if err != nil {
		return nil, err
	}
	defer l.close()
	in := form{"MaxResults": "1000"}
	for {
		request, err := i.signed(ctx, "DescribeSecurityGroups", in)
		if err != nil {
			return nil, err
		}
		requests = append(requests, request)
		head, err := l.do(request)
		if err != nil {
			return nil, err
		}
		if in["NextToken"] = nextToken(head); in["NextToken"] == "" {
			return requests, nil
		}
	}
}

// writeRows measures changes with the lean client. They are signed beforehand:
// each is another one. What a write to the disk takes is measured anew: it
// depends on what the disk did before.
func (i *installation) writeRows(ctx context.Context, l *stock, section string) (rows []row, err error) {
	sync := fsync(filepath.Join(i.Dir, "sync"))
	disk, err := call(ctx, i, 1, stateless, func(_ struct{}, n int) error { return sync(n) })
	if err != nil {
		return nil, err
	}
	rows = append(rows, disk.row(section, "4 KiB to the disk, with fdatasync", "", 0))
	var serial int
	for _, c := range []struct {
		name, action string
		in           func(n int) form
	}{
		{"CreateSecurityGroup", "CreateSecurityGroup", func(n int) form {
			return form{"GroupName": fmt.Sprint("made-", n), "GroupDescription": "bench"}
		}},
		{"AuthorizeSecurityGroupIngress, 1 rule", "AuthorizeSecurityGroupIngress", func(n int) form { return i.authorize(l, n, 1) }},
		{"AuthorizeSecurityGroupIngress, 60 rules", "AuthorizeSecurityGroupIngress", func(n int) form { return i.authorize(l, n, 60) }},
	} {
		for _, clients := range []int{1, manyClients} {
			requests := make([][]byte, int(i.Slice.Seconds()*2000*float64(min(clients, 8)))+10)
			for n := range requests {
				if requests[n], err = i.signed(ctx, c.action, c.in(serial)); err != nil {
					return nil, err
				}
				serial++
			}
			got, err := call(ctx, i, clients, i.newLean, func(l *lean, n int) error {
				if n >= len(requests) {
					return errSpent
				}
				_, err := l.do(requests[n])
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			rows = append(rows, got.row(section, c.name+by(clients), "fdatasync", disk.p50))
		}
	}
	return rows, nil
}

// authorize is a call that adds rules which no group has yet.
func (i *installation) authorize(l *stock, n, rules int) form {
	in := form{"GroupId": l.groups[n%len(l.groups)], "IpPermissions.1.IpProtocol": "udp",
		"IpPermissions.1.FromPort": strconv.Itoa(n/len(l.groups) + 1), "IpPermissions.1.ToPort": strconv.Itoa(60000 + rules)}
	for k := range rules {
		in[fmt.Sprintf("IpPermissions.1.IpRanges.%d.CidrIp", k+1)] = fmt.Sprintf("192.0.%d.0/24", k)
	}
	return in
}

// sdkRows measures what a program sees that uses the AWS SDK: its own work, most
// of it reading XML, is in the figures.
func (i *installation) sdkRows(ctx context.Context, l *stock, section string, bare float64) (rows []row, err error) {
	api := awsec2.New(awsec2.Options{
		BaseEndpoint: &i.endpoint, Region: region, Retryer: aws.NopRetryer{}, HTTPClient: &http.Client{Transport: wholeAnswers{&http.Transport{MaxIdleConnsPerHost: manyClients}}},
		Credentials: awscredentials.NewStaticCredentialsProvider(i.key.ID, i.key.Secret, ""),
	})
	describe := func(in awsec2.DescribeSecurityGroupsInput) error {
		_, err := api.DescribeSecurityGroups(ctx, &in)
		return err
	}
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"SDK: DescribeSecurityGroups by id", func() error { return describe(awsec2.DescribeSecurityGroupsInput{GroupIds: l.groups[:1]}) }},
		{"SDK: ... by vpc-id, 100 match", func() error {
			return describe(awsec2.DescribeSecurityGroupsInput{Filters: []types.Filter{{Name: aws.String("vpc-id"), Values: l.vpcs[:1]}}})
		}},
		{"SDK: ... all, 1,000 a page", func() error {
			pages := awsec2.NewDescribeSecurityGroupsPaginator(api, &awsec2.DescribeSecurityGroupsInput{MaxResults: aws.Int32(1000)})
			for pages.HasMorePages() {
				if _, err := pages.NextPage(ctx); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		got, err := call(ctx, i, 1, stateless, func(struct{}, int) error { return c.do() })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		rows = append(rows, got.row(section, c.name, "an empty HTTP request", bare))
	}
	return rows, nil
}

// residentMemory returns what the process holds, in bytes, after garbage.
func residentMemory() (float64, error) {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm holds %q", text)
	}
	pages, err := strconv.Atoi(fields[1])
	return float64(pages * os.Getpagesize()), err
}
