// Command versitygw is the S3 server over folders, with the arguments and variables of upstream's program that the
// store starts it by. Upstream's holds its own tests and the clients of other clouds, which a sandbox never meets.
package main

import (
	"cmp"
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	run := serve
	if len(os.Args) > 1 && os.Args[1] == "admin" {
		run = func(ctx context.Context) error { return admin(ctx, os.Args[2:]) }
	}
	if err := run(ctx); err != nil {
		log.Fatalln("versitygw:", err)
	}
}

// serve runs until ctx ends. The limits are upstream's defaults.
func serve(ctx context.Context) error {
	port := flag.String("port", ":7070", "address to listen on, as host:port")
	region := flag.String("region", "us-east-1", "the region that clients sign for")
	health := flag.String("health", "", "path that answers without a signature")
	users := flag.String("iam-dir", "", "folder of the file that names users beside the root")
	quiet := flag.Bool("quiet", false, "no line for each request")
	flag.Parse()
	if flag.NArg() != 2 || flag.Arg(0) != "posix" {
		log.Fatalln("usage: versitygw [--port ADDRESS] [--region REGION] [--health PATH] [--iam-dir FOLDER] [--quiet] posix FOLDER")
	}

	attributes := meta.XattrMeta{}
	if err := attributes.Test(flag.Arg(1)); err != nil {
		return err
	}
	options := posix.PosixOpts{Concurrency: 5000, IOBufferSize: 1 << 20, CopyObjectThreshold: 5 << 30}
	options.SetNewDirPerm(0o755)
	options.SetNewFilePerm(0o644)
	folders, err := posix.New(flag.Arg(1), attributes, options)
	if err != nil {
		return err
	}
	return embedgw.RunVersityGW(ctx, folders, &embedgw.Config{
		RootUserAccess:    cmp.Or(os.Getenv("ROOT_ACCESS_KEY_ID"), os.Getenv("ROOT_ACCESS_KEY")),
		RootUserSecret:    cmp.Or(os.Getenv("ROOT_SECRET_ACCESS_KEY"), os.Getenv("ROOT_SECRET_KEY")),
		Region:            *region,
		Ports:             []string{*port},
		HealthPath:        *health,
		IAMDir:            *users,
		// As upstream's program has them. With 0 it would look through its cache without end.
		IAMCacheTTL:       120,
		IAMCachePrune:     3600,
		Quiet:             *quiet,
		MaxConnections:    250_000,
		MaxRequests:       100_000,
		MultipartMaxParts: 10_000,
	})
}
