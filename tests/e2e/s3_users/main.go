// Command s3_users is the sandbox's S3 server with users beside its root: what they may do, the policies of buckets say.
package main

import (
	"context"
	"log"
	"os"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

func main() {
	address, users, folder := os.Args[1], os.Args[2], os.Args[3]
	options := posix.PosixOpts{Concurrency: 100, IOBufferSize: 1 << 20, CopyObjectThreshold: 5 << 30}
	options.SetNewDirPerm(0o755)
	options.SetNewFilePerm(0o644)
	folders, err := posix.New(folder, meta.XattrMeta{}, options)
	if err != nil {
		log.Fatalln(err)
	}
	log.Fatalln(embedgw.RunVersityGW(context.Background(), folders, &embedgw.Config{
		RootUserAccess:    os.Getenv("ROOT_ACCESS_KEY"),
		RootUserSecret:    os.Getenv("ROOT_SECRET_KEY"),
		Region:            "us-east-1",
		Ports:             []string{address},
		IAMDir:            users,
		IAMCacheDisable:   true,
		Quiet:             true,
		MaxConnections:    1000,
		MaxRequests:       1000,
		MultipartMaxParts: 10_000,
	}))
}
