// SPDX-License-Identifier: Apache-2.0

// Command etcdmember is one member of an etcd cluster for tests: the very etcd
// that this module embeds, as a process that can be killed. It knows nothing of
// Hedgeward and is never installed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/embed"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "etcdmember:", err)
		os.Exit(1)
	}
}

func run() error {
	name := flag.String("name", "", "name of the member")
	dir := flag.String("dir", "", "its folder")
	address := flag.String("address", "", "IP address that peers and clients reach it at")
	cluster := flag.String("cluster", "", "every member as name=https://address:2380, with commas")
	certs := flag.String("certs", "", "folder with ca.pem, member.pem and member-key.pem")
	quota := flag.Int64("quota", 0, "bytes after which the store is full; 0: etcd's default")
	flag.Parse()

	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = *name, *dir
	cfg.InitialCluster = *cluster
	cfg.InitialClusterToken = "faults"
	cfg.QuotaBackendBytes = *quota
	cfg.LogLevel = "error"
	cfg.TickMs, cfg.ElectionMs = 50, 500
	peer, client := at(*address, "2380"), at(*address, "2379")
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = peer, peer
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = client, client
	for _, tls := range []struct{ cert, key, ca *string }{
		{&cfg.PeerTLSInfo.CertFile, &cfg.PeerTLSInfo.KeyFile, &cfg.PeerTLSInfo.TrustedCAFile},
		{&cfg.ClientTLSInfo.CertFile, &cfg.ClientTLSInfo.KeyFile, &cfg.ClientTLSInfo.TrustedCAFile},
	} {
		*tls.cert, *tls.key, *tls.ca = filepath.Join(*certs, "member.pem"), filepath.Join(*certs, "member-key.pem"), filepath.Join(*certs, "ca.pem")
	}
	cfg.PeerTLSInfo.ClientCertAuth, cfg.ClientTLSInfo.ClientCertAuth = true, true
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		fmt.Println("ready")
	case <-etcd.Server.StopNotify():
		return errors.New("stopped before it was ready")
	case err := <-etcd.Err():
		return err
	}
	return <-etcd.Err()
}

func at(address, port string) []url.URL {
	return []url.URL{{Scheme: "https", Host: address + ":" + port}}
}
