// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/control"
)

const vpcGroups = 100 // groups of the VPC that is filtered by, whatever the number of all

// calls is what a number of clients got done.
type calls struct {
	rate     float64 // per second
	p50, p99 float64 // ns
}

// call has clients make the same call again and again for the time of a slice.
func (i *installation) call(ctx context.Context, clients int, do func(n int) error) (calls, error) {
	settle()
	var all []int64
	var failed error
	var mu sync.Mutex
	var wg sync.WaitGroup
	var serial atomic.Int64
	begun := time.Now()
	for range clients {
		wg.Go(func() {
			var took []int64
			var err error
			for err == nil && time.Since(begun) < i.Slice && ctx.Err() == nil {
				t := time.Now()
				err = do(int(serial.Add(1)))
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
	if err := context.Cause(ctx); err != nil {
		return calls{}, err
	}
	if failed != nil {
		return calls{}, failed
	}
	slices.Sort(all)
	return calls{
		rate: float64(len(all)) / time.Since(begun).Seconds(),
		p50:  float64(percentile(all, 50)), p99: float64(percentile(all, 99)),
	}, nil
}

func (c calls) row(section, name, against string, of float64) row {
	r := row{Section: section, Name: name, Against: against, Value: c.rate,
		Figures: fmt.Sprintf("p50 %s, p99 %s, %.4g/s", nanos(c.p50), nanos(c.p99), c.rate)}
	if of > 0 {
		r.Ratio = c.p50 / of
	}
	return r
}

// apiRows measures calls of the public API, signed and over HTTP, by the SDK.
func (i *installation) apiRows(ctx context.Context) (rows []row, err error) {
	const floor = "API: what nothing can be faster than here"
	const section = "API with %d groups: p50 as ratio"
	api := awsec2.New(awsec2.Options{
		BaseEndpoint: &i.endpoint, Region: region, Retryer: aws.NopRetryer{}, HTTPClient: &http.Client{Transport: wholeAnswers{&http.Transport{MaxIdleConnsPerHost: 16}}},
		Credentials: awscredentials.NewStaticCredentialsProvider(i.key.ID, i.key.Secret, ""),
	})
	vpc, err := i.control.CreateVPC(ctx, i.caller, control.VPCRequest{CIDR: netip.MustParsePrefix("10.1.0.0/16")})
	if err != nil {
		return nil, err
	}
	bare, err := i.call(ctx, 1, i.plainRequest)
	if err != nil {
		return nil, err
	}
	rows = append(rows, bare.row(floor, "an HTTP request that does nothing", "", 0))
	disk, err := i.call(ctx, 1, fsync(filepath.Join(i.Dir, "sync")))
	if err != nil {
		return nil, err
	}
	rows = append(rows, disk.row(floor, "4 KiB to the disk, with fdatasync", "", 0))

	var ids []string
	for _, size := range i.Groups {
		if ids, err = i.fill(ctx, ids, size, vpc.ID); err != nil {
			return nil, err
		}
		title := fmt.Sprintf(section, size)
		target := ids[len(ids)/2]
		for _, clients := range []int{1, 8} {
			with := fmt.Sprintf(", %d clients", clients)
			if clients == 1 {
				with = ", 1 client"
			}
			for _, c := range []struct {
				name, against string
				of            float64
				do            func(n int) error
			}{
				{"CreateSecurityGroup", "fdatasync", disk.p50, func(n int) error {
					name := fmt.Sprintf("made-%d-%d-%d", size, clients, n)
					_, err := api.CreateSecurityGroup(ctx, &awsec2.CreateSecurityGroupInput{GroupName: &name, Description: aws.String("bench")})
					return err
				}},
				{"AuthorizeSecurityGroupIngress", "fdatasync", disk.p50, func(n int) error {
					// A few rules in each of many groups, as in life.
					port := int32(1 + clients*4000 + n/len(ids))
					_, err := api.AuthorizeSecurityGroupIngress(ctx, &awsec2.AuthorizeSecurityGroupIngressInput{
						GroupId: &ids[n%len(ids)], IpPermissions: []types.IpPermission{{
							IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: aws.Int32(port + int32(size)), IpRanges: []types.IpRange{{CidrIp: aws.String("192.0.2.0/24")}},
						}},
					})
					return err
				}},
				{"DescribeSecurityGroups by id", "an empty HTTP request", bare.p50, func(int) error {
					got, err := api.DescribeSecurityGroups(ctx, &awsec2.DescribeSecurityGroupsInput{GroupIds: []string{target}})
					if err == nil && len(got.SecurityGroups) != 1 {
						err = fmt.Errorf("described %d groups by one id", len(got.SecurityGroups))
					}
					return err
				}},
			} {
				got, err := i.call(ctx, clients, c.do)
				if err != nil {
					return nil, fmt.Errorf("%s with %d groups: %w", c.name, size, err)
				}
				rows = append(rows, got.row(title, c.name+with, c.against, c.of))
			}
		}
		filtered, err := i.call(ctx, 1, func(int) error {
			_, err := api.DescribeSecurityGroups(ctx, &awsec2.DescribeSecurityGroupsInput{Filters: []types.Filter{{Name: aws.String("vpc-id"), Values: []string{vpc.ID}}}})
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("filter by VPC: %w", err)
		}
		rows = append(rows, filtered.row(title, fmt.Sprintf("... filter vpc-id, %d groups match", vpcGroups+1), "an empty HTTP request", bare.p50))
		listed := 0
		full, err := i.call(ctx, 1, func(int) error {
			listed = 0
			pages := awsec2.NewDescribeSecurityGroupsPaginator(api, &awsec2.DescribeSecurityGroupsInput{MaxResults: aws.Int32(1000)})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return err
				}
				listed += len(page.SecurityGroups)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list all: %w", err)
		}
		line := full.row(title, "... all, 1,000 a page", "an empty HTTP request", bare.p50)
		line.Figures += fmt.Sprintf("; %d groups", listed)
		rows = append(rows, line)
	}
	return rows, nil
}

// fill makes groups, many in one commit, until there are size of them; the first
// are of vpc, the others of the default VPC.
func (i *installation) fill(ctx context.Context, ids []string, size int, vpc string) ([]string, error) {
	made := make([]string, max(size, len(ids)))
	errs := make([]error, len(made))
	copy(made, ids)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 256)
	for n := len(ids); n < size; n++ {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			in := control.NewGroup{Name: fmt.Sprint("filled-", n), Description: "bench"}
			if n < vpcGroups {
				in.VPC = vpc
			}
			g, err := i.control.CreateSecurityGroup(ctx, i.caller, in)
			if err != nil {
				errs[n] = err
				return
			}
			made[n] = g.ID
		})
	}
	wg.Wait()
	return made, errors.Join(errs...)
}

// plainRequest is an HTTP request that nothing is done for.
func (i *installation) plainRequest(int) error {
	resp, err := http.Post(i.bare, "text/plain", strings.NewReader("Action=Nothing"))
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// fsync writes a block to the disk that the store is on.
func fsync(path string) func(int) error {
	f, err := os.Create(path)
	if err != nil {
		return func(int) error { return err }
	}
	block := make([]byte, 4<<10)
	return func(n int) error {
		if _, err := f.WriteAt(block, int64(n)*int64(len(block))); err != nil {
			return err
		}
		return unix.Fdatasync(int(f.Fd()))
	}
}

// wholeAnswers reads every answer to its end before the SDK sees it. The SDK
// closes its request as soon as an answer begins; if the transport is not done
// with the request by then, it gives the connection up in the middle of a long
// answer, which the SDK's retries would hide here.
type wholeAnswers struct{ transport *http.Transport }

// RoundTrip implements http.RoundTripper.
func (w wholeAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := w.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, nil
}
