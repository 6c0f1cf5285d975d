// SPDX-License-Identifier: Apache-2.0

// Package hedgeward_test puts the repository itself under test: what reviews
// would otherwise repeat. This file holds the tables; policy_imports_test.go,
// policy_files_test.go, policy_docs_test.go and policy_cases_test.go hold the
// checks. They read text only, never build or run it, and use nothing but the
// standard library.
package hedgeward_test

// room describes a package: where it stands, what it may lean on, and why.
type room struct {
	// rank: a package imports only packages of a strictly lower rank. See
	// DESIGN.md, section Layout. Ranks are tens so that a layer can be put
	// between two others.
	rank int
	// tests says that only _test.go files and other such packages import it.
	tests bool
	// own, if not nil, narrows the rank: of this module, nothing but these.
	own []string
	// uses lists what it imports from other modules, by path prefix.
	uses []string
	// why says why it may: one reason for rank and uses together.
	why string
}

const module = "github.com/hedgeward/hedgeward"

// onlyTests ranks packages that exist for tests. Among themselves they are
// ordered too.
const onlyTests = 900

var rooms = map[string]room{
	"flow":               {rank: 0, why: "the words of a verdict; everything speaks them"},
	"internal/statedir":  {rank: 1, own: []string{}, uses: []string{"golang.org/x/sys"}, why: "a process's folder: its lock, its pins"},
	"internal/localhttp": {rank: 1, own: []string{}, why: "HTTP on one machine's sockets, both sides"},
	"internal/clock":     {rank: 0, why: "time that tests can hold"},

	"secgroup": {rank: 10, own: []string{"flow"}, why: "the nouns: pure values and their rules"},

	"access": {rank: 15, own: []string{}, why: "pure judge of policy documents; knows neither store nor operations"},

	"domain": {rank: 5, own: []string{}, why: "runs inside instances, which join directories: it knows the network alone"},

	"join": {rank: 20, own: []string{"internal/clock", "secgroup"}, why: "who may be a host: certificates, tokens, TLS; both sides of the protocol, so the agent links it and it links no store"},

	"policy": {rank: 20, own: []string{"flow", "secgroup"}, why: "pure compiler: neither etcd nor eBPF, so that the oracle can be asked about it alone"},
	"store":  {rank: 20, own: []string{"internal/clock"}, uses: []string{"go.etcd.io/etcd", "go.uber.org/zap", "google.golang.org/grpc"}, why: "the only package that talks to etcd; knows keys and bytes, no nouns"},

	"model":    {rank: 30, uses: []string{"github.com/tidwall/btree"}, why: "the store's contents as typed tables"},
	"datapath": {rank: 30, own: []string{"flow", "internal/clock", "policy", "datapath/internal/bpfobj"}, uses: []string{"github.com/cilium/ebpf", "github.com/vishvananda/netlink", "golang.org/x/sys"}, why: "kernel side; installs compiled policies; knows neither AWS nor the store"},
	"instance": {rank: 30, uses: []string{"github.com/vishvananda/netlink", "golang.org/x/sys"}, why: "the things that interfaces belong to"},

	"datapath/internal/bpfobj": {rank: 5, own: []string{}, uses: []string{"github.com/cilium/ebpf"}, why: "generated: objects and their Go layouts"},

	"control":         {rank: 40, why: "the operations as transactions; typed values in and out, no XML and no HTTP"},
	"feed":            {rank: 25, own: []string{"flow", "policy", "secgroup"}, why: "what one host is told: words that server and agent share; neither model nor kernel"},
	"enforced":        {rank: 40, own: []string{"store", "stream"}, uses: []string{"golang.org/x/sync"}, why: "which revision is in force where, as the replicas tell each other"},
	"feed/teller":     {rank: 40, own: []string{"feed", "flow", "model", "policy", "secgroup"}, why: "what each host needs, as snapshot and deltas"},
	"stream":          {rank: 30, own: []string{"feed", "flow", "internal/clock", "policy", "secgroup", "stream/streampb"}, uses: []string{"connectrpc.com/connect", "google.golang.org/protobuf"}, why: "carries the feed to hosts and acknowledgements back; both sides, so it links neither model nor kernel"},
	"stream/streampb": {rank: 5, own: []string{}, uses: []string{"google.golang.org/protobuf"}, why: "generated: messages between hosts and servers"},
	"why":             {rank: 50, own: []string{"feed", "feed/teller", "flow", "model", "policy", "secgroup"}, why: "answers from a snapshot with the matcher of the compiled tables"},
	"agent":           {rank: 50, own: []string{"datapath", "feed", "flow", "instance", "internal/clock", "policy", "secgroup"}, why: "brings one host into line with its feed; links neither store nor model"},

	"services":       {rank: 45, own: []string{"datapath", "feed", "instance", "secgroup"}, uses: []string{"golang.org/x/net", "golang.org/x/sync"}, why: "answers instances at the exempt addresses, by what the host was told; links neither store nor model"},
	"streaming":      {rank: 55, own: []string{"domain", "feed", "instance", "internal/localhttp", "secgroup", "services"}, uses: []string{"github.com/spf13/cobra", "golang.org/x/sync"}, why: "programs in and beside streaming instances, which both programs run; what they ask is answered by control, near or far"},
	"attach":         {rank: 5, own: []string{"internal/localhttp"}, why: "what tools of a host say to it, and the client that says it: the plugins import no more"},
	"attach/local":   {rank: 55, own: []string{"agent", "attach", "instance", "secgroup"}, why: "answers package attach on the host that enforces"},
	"attach/libvirt": {rank: 55, own: []string{"attach"}, why: "the hook that libvirt runs: reads a domain and asks the host's socket; agents link it, and it links nothing of theirs"},
	"attach/verbs":   {rank: 55, own: []string{"attach"}, uses: []string{"github.com/spf13/cobra"}, why: "commands that several programs share"},

	"metrics/numbers": {rank: 55, own: []string{"agent", "datapath", "flow", "stream"}, why: "what a host says in numbers; agents link it and not the library of Prometheus"},

	"metrics": {rank: 56, own: []string{"metrics/numbers"}, uses: []string{"github.com/prometheus/client_golang"}, why: "what Prometheus is shown; reads, changes nothing"},

	"traces": {rank: 55, own: []string{"feed"}, uses: []string{"go.opentelemetry.io/otel"}, why: "what OpenTelemetry is shown of a call; told when things are over, so nothing else links it"},

	"awsapi/wire": {rank: 4, own: []string{}, why: "what generated types and codecs agree on"},

	"awsapi/sigv4":  {rank: 60, own: []string{}, why: "signatures alone; the SDK's signer is its witness in tests"},
	"awsapi/query":  {rank: 61, why: "EC2 and STS query protocol: form in, XML out"},
	"awsapi/json11": {rank: 61, why: "JSON 1.1 protocol"},

	"awsapi/ec2/ec2types":             {rank: 5, own: []string{"awsapi/wire"}, why: "generated from the API model: plain structs"},
	"awsapi/sts/ststypes":             {rank: 5, own: []string{"awsapi/wire"}, why: "generated from the API model: plain structs"},
	"awsapi/appstream/appstreamtypes": {rank: 5, own: []string{"awsapi/wire"}, why: "generated from the API model: plain structs"},

	"awsapi/ec2":       {rank: 65, why: "wire types to control and back"},
	"awsapi/sts":       {rank: 65, why: "wire types to control and back"},
	"awsapi/appstream": {rank: 65, why: "wire types to control and back"},
	"awsapi":           {rank: 63, why: "the listener: signature, service, operation; services plug into it"},

	"cmd/hedgeward-agent": {rank: 70, own: []string{"agent", "attach", "attach/libvirt", "attach/local", "attach/verbs", "datapath", "feed", "flow", "instance", "internal/clock", "internal/localhttp", "internal/statedir", "join", "metrics/numbers", "policy", "secgroup", "services", "stream", "streaming"}, uses: []string{"github.com/spf13/cobra", "golang.org/x/sync"}, why: "one host, with rights over its kernel: neither store nor API; packages.txt has all it links"},

	"cmd/hedgeward-cni": {rank: 70, own: []string{"attach"}, uses: []string{"github.com/containernetworking/cni/pkg", "github.com/vishvananda/netlink", "github.com/vishvananda/netns", "golang.org/x/sys"}, why: "runs as root at each start of a container: asks the host's socket and no more; packages.txt has all it links"},

	"cmd/hedgeward": {rank: 70, uses: []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/aws/aws-sdk-go-v2", "golang.org/x/sync"}, why: "puts the parts together; demo drives the public API as a client"},

	"internal/gen/apigen": {rank: 70, own: []string{}, why: "generator of the wire types; a program, imported by nobody"},
	"internal/gen/opsgen": {rank: 70, own: []string{"awsapi", "awsapi/appstream", "awsapi/ec2", "awsapi/sts"}, why: "writes docs/operations.md; a program, imported by nobody"},

	"internal/testrand":      {rank: onlyTests, tests: true, own: []string{}, why: "seeds that are printed and can be given"},
	"oracle":                 {rank: onlyTests + 1, tests: true, own: []string{"flow", "secgroup"}, why: "the specification as slow code: shares nouns with what it judges and nothing else"},
	"internal/testworld":     {rank: onlyTests + 2, tests: true, why: "random accounts, groups, rules, packets"},
	"internal/testetcd":      {rank: onlyTests + 2, tests: true, own: []string{}, uses: []string{"go.etcd.io/etcd/server/v3", "go.uber.org/zap"}, why: "etcd clusters for tests"},
	"internal/testnet":       {rank: onlyTests + 2, tests: true, own: []string{}, uses: []string{"github.com/vishvananda/netlink", "golang.org/x/sys"}, why: "namespaces and links for tests"},
	"datapath/bpftest":       {rank: onlyTests + 2, tests: true, uses: []string{"github.com/cilium/ebpf", "github.com/gopacket/gopacket", "github.com/vishvananda/netlink", "github.com/vishvananda/netns", "golang.org/x/sys"}, why: "packets built, programs run and timed without a wire"},
	"internal/conformance":   {rank: onlyTests + 3, tests: true, why: "the cases of the packet specification as rows that any judge plays"},
	"internal/inforce":       {rank: onlyTests + 4, tests: true, uses: []string{"golang.org/x/sys"}, why: "the oracle's worlds in force in the loaded programs"},
	"internal/threeway":      {rank: onlyTests + 3, tests: true, why: "oracle, compiler and loaded program asked the same question"},
	"test/rig":               {rank: onlyTests + 4, tests: true, own: []string{}, uses: []string{"github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go"}, why: "the program under test, run from outside; it imports nothing of it"},
	"test/e2e":               {rank: onlyTests + 5, tests: true, own: []string{"test/rig"}, uses: []string{"github.com/aws/aws-sdk-go-v2"}, why: "the whole system from outside"},
	"test/overlay":           {rank: onlyTests + 4, tests: true, why: "two hosts as namespaces, each with an agent of its own"},
	"test/attach":            {rank: onlyTests + 5, tests: true, own: []string{"attach", "internal/testnet"}, uses: []string{"github.com/aws/aws-sdk-go-v2", "github.com/containernetworking/cni", "github.com/vishvananda/netlink"}, why: "what others make, attached as they ask for it: by commands, by the library of CNI, by libvirt's hook"},
	"test/clients":           {rank: onlyTests + 5, tests: true, own: []string{"test/rig"}, uses: []string{"github.com/aws/aws-sdk-go-v2"}, why: "unmodified clients against a running program"},
	"test/scale":             {rank: onlyTests + 6, tests: true, uses: []string{"github.com/aws/aws-sdk-go-v2", "github.com/vishvananda/netlink", "golang.org/x/sync", "golang.org/x/sys"}, why: "a program that measures a server with many hosts, whose kernels only take notes"},
	"test/packaging":         {rank: onlyTests + 5, tests: true, own: []string{}, why: "packages as operators install them"},
	"test/faults/stepclock":  {rank: onlyTests + 1, tests: true, own: []string{}, uses: []string{"golang.org/x/sys"}, why: "runs a program whose wall clock tests can set"},
	"test/faults/history":    {rank: onlyTests + 4, tests: true, own: []string{}, uses: []string{"github.com/anishathalye/porcupine"}, why: "judges what clients saw; knows nothing of what they spoke to"},
	"test/faults/lanes":      {rank: onlyTests + 5, tests: true, own: []string{"test/faults/history"}, why: "numbered datagrams between guests; judges nothing"},
	"test/faults/etcdmember": {rank: onlyTests + 4, tests: true, own: []string{}, uses: []string{"go.etcd.io/etcd"}, why: "a member of an etcd cluster that tests can kill"},
	"test/faults":            {rank: onlyTests + 6, tests: true, why: "several servers and hosts, and what happens to them"},
	"test/bench":             {rank: onlyTests + 4, tests: true, uses: []string{"github.com/aws/aws-sdk-go-v2", "github.com/cilium/ebpf", "github.com/vishvananda/netlink", "golang.org/x/sys"}, why: "a program that measures; it drives the whole system, and runs the programs that are attached"},
}

// bans are imports of non-test files that the ranks alone would allow. A key that
// ends in a slash covers everything below it.
var bans = []struct {
	imported, why string
	except        []string
}{
	{"encoding/xml", "XML exists only at the API's edge, and in what libvirt says", []string{"attach/libvirt", "awsapi/"}},
	{"net/http", "HTTP exists only at the API's edge and in its clients, and where instances ask for metadata", []string{"attach", "attach/local", "awsapi", "awsapi/", "cmd/hedgeward", "cmd/hedgeward-agent", "internal/localhttp", "join", "metrics", "services", "stream", "streaming", "test/bench"}},
	{"log", "logs go through a *slog.Logger that is passed in; a generator may say why it stopped", []string{"internal/gen/"}},
	{"math/rand", "math/rand/v2 has no global seed to forget; identifiers use crypto/rand", nil},
	{"unsafe", "layouts are encoded, not overlaid; only the kernel's side needs addresses", []string{"datapath", "datapath/", "instance", "stream/streampb"}},
	{"C", "building needs only Go", nil},
}

// modules lists every module that this one asks for by name, with the reason. A
// module without an importer, or an importer without a reason, fails.
var modules = map[string]string{
	"connectrpc.com/connect":                                          "streams between hosts and servers over the standard library's HTTP/2; little more than that",
	"google.golang.org/protobuf":                                      "messages between hosts and servers; etcd brings it anyway",
	"github.com/anishathalye/porcupine":                               "searches for an order of calls that explains their answers, in tests",
	"github.com/aws/aws-sdk-go-v2":                                    "the SigV4 signer to verify against; clients in demo and tests",
	"github.com/aws/aws-sdk-go-v2/config":                             "reads AWS profiles as every client does",
	"github.com/aws/aws-sdk-go-v2/credentials":                        "static keys for demo and tests",
	"github.com/aws/aws-sdk-go-v2/service/appstream":                  "drives fleets and checks that real waiters accept their states, in tests",
	"github.com/aws/aws-sdk-go-v2/service/ec2":                        "the witness of the EC2 wire form; demo",
	"github.com/aws/aws-sdk-go-v2/service/sts":                        "the witness of the STS wire form",
	"github.com/aws/smithy-go":                                        "error codes as SDK clients see them",
	"github.com/cilium/ebpf":                                          "loads, links and pins programs without libbpf; bpf2go",
	"github.com/containernetworking/cni":                              "what a CNI plugin is asked and answers, in all versions; the library of container runtimes, in tests",
	"github.com/google/go-cmp":                                        "differences a person can read, in tests",
	"github.com/gopacket/gopacket":                                    "independent encoder and decoder of packets, in tests",
	"github.com/prometheus/client_golang":                             "metrics and their format",
	"github.com/spf13/cobra":                                          "subcommands, flags and their help",
	"github.com/spf13/pflag":                                          "the flags of cobra: the environment sets those that are left out",
	"github.com/tidwall/btree":                                        "ordered tables with constant-time copies: the model's snapshots",
	"golang.org/x/net":                                                "messages of the DNS, for the resolver of instances",
	"github.com/vishvananda/netlink":                                  "links, addresses, routes, neighbours",
	"github.com/vishvananda/netns":                                    "named network namespaces",
	"go.etcd.io/etcd/api/v3":                                          "the error codes of etcd",
	"go.etcd.io/etcd/client/v3":                                       "the one client, embedded or external",
	"go.etcd.io/etcd/server/v3":                                       "etcd inside the process",
	"go.uber.org/zap":                                                 "etcd's logger, to be silenced or handed on",
	"golang.org/x/sync":                                               "errgroup: goroutines that are waited for",
	"golang.org/x/sys":                                                "system calls the standard library lacks",
	"google.golang.org/grpc":                                          "the errors of etcd's client that are not etcd's; how it is told to dial, in tests",
	"honnef.co/go/tools":                                              "staticcheck, as a pinned tool",
	"pgregory.net/rapid":                                              "properties with shrinking, in tests",
	"go.opentelemetry.io/otel":                                        "traces and their format; etcd brings it anyway",
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp": "sends traces to any collector over HTTP",
	"go.opentelemetry.io/otel/sdk":                                    "spans in batches, beside the work that they are about",
	"go.opentelemetry.io/otel/trace":                                  "ids of traces and spans",
	"go.opentelemetry.io/proto/otlp":                                  "reads traces as a collector does, in tests",
}

// generated lists the directories that hold generated Go, with what writes them.
// Nothing else lives there but doc.go, gen.go and tests.
var generated = map[string]string{
	"datapath/internal/bpfobj":        "bpf2go, from datapath/bpf",
	"awsapi/ec2/ec2types":             "internal/gen/apigen",
	"awsapi/sts/ststypes":             "internal/gen/apigen",
	"stream/streampb":                 "protoc-gen-go, from stream.proto",
	"awsapi/appstream/appstreamtypes": "internal/gen/apigen",
}

// carried lists directories of files that are not ours, with their origin. They
// keep their own headers and words.
var carried = map[string]string{}

// long lists files that may pass 500 lines, with the reason. None may pass 800.
var long = map[string]string{}

// waits lists tests and test packages that may call time.Sleep, with the reason.
var waits = map[string]string{}

// skips lists tests that may be skipped, with the reason: what they need cannot be
// installed by make setup.
var skips = map[string]string{
	"test/faults/previous_test.go":   "an upgrade begins with an earlier commit, which a clone without history cannot have where its origin does not give it",
	"test/clients/terraform_test.go": "terraform and its AWS provider are in no distribution; the test says what it looked for and where",
}

// vagueWords name nothing. They are refused as part of package, file and
// top-level names.
var vagueWords = []string{"manager", "util", "utils", "helper", "helpers", "common", "misc", "processor"}
