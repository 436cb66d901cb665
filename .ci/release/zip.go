// Command zip packs a folder for Windows, whose users unpack nothing else with a click. The same files and
// SOURCE_DATE_EPOCH give the same bytes: names in order, one time, no rights.
//
//	go run zip.go ARCHIVE FOLDER
package main

import (
	"archive/zip"
	"io"
	"io/fs"
	"log"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("zip: ")
	if len(os.Args) != 3 {
		log.Fatal("give an archive and a folder")
	}
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		log.Fatal("SOURCE_DATE_EPOCH: ", err)
	}
	if err := pack(os.Args[1], os.Args[2], time.Unix(seconds, 0).UTC()); err != nil {
		log.Fatal(err)
	}
}

func pack(archive, folder string, at time.Time) error {
	out, err := os.Create(archive)
	if err != nil {
		return err
	}
	packed := zip.NewWriter(out)
	// WalkDir goes by name, in order.
	if err := filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		in, err := os.Open(name)
		if err != nil {
			return err
		}
		defer in.Close()
		inside := path.Join(filepath.Base(folder), filepath.ToSlash(name[len(folder):]))
		to, err := packed.CreateHeader(&zip.FileHeader{Name: inside, Method: zip.Deflate, Modified: at})
		if err != nil {
			return err
		}
		_, err = io.Copy(to, in)
		return err
	}); err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return err
	}
	return out.Close()
}
