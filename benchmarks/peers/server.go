// An echo server of the four formats in Go: a goroutine for each connection, bufio, flushed before more is read.
//
//	go build -o server server.go
//	server udp|text|tcpv2|tcpv3
//
// It listens on a port of 127.0.0.1 that the system chooses, says which, and prints nothing more.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
)

const (
	version     = 1
	fixedLength = 29 // a frame of tcpv2
	headLength  = 9  // the header of tcpv3: version, order, size
	maxSize     = 1024 * 1024
)

// connection is a client's socket that sends all that is owed before it waits for more.
type connection struct {
	net.Conn
	writer *bufio.Writer
}

func (client *connection) Read(buffer []byte) (int, error) {
	if err := client.writer.Flush(); err != nil {
		return 0, err
	}
	return client.Conn.Read(buffer)
}

// echoText answers what each read yields.
func echoText(conn net.Conn) {
	buffer := make([]byte, 4096)
	prefix := copy(buffer, "ECHO: ")
	for {
		count, err := conn.Read(buffer[prefix:])
		if err != nil {
			return
		}
		if _, err = conn.Write(buffer[:prefix+count]); err != nil {
			return
		}
	}
}

// echoFixed echoes frames of 29 bytes until the stream ends or holds something else.
func echoFixed(reader *bufio.Reader, writer *bufio.Writer) {
	var frame [fixedLength]byte
	for {
		first, err := reader.ReadByte()
		if err != nil || first != version {
			return
		}
		frame[0] = first
		if _, err := io.ReadFull(reader, frame[1:]); err != nil {
			return
		}
		if _, err := writer.Write(frame[:]); err != nil {
			return
		}
	}
}

// echoVariable echoes frames of a header and a payload until the stream ends or holds something else.
func echoVariable(reader *bufio.Reader, writer *bufio.Writer) {
	frame := make([]byte, headLength)
	for {
		first, err := reader.ReadByte()
		if err != nil || first != version {
			return
		}
		frame[0] = first
		if _, err := io.ReadFull(reader, frame[1:headLength]); err != nil {
			return
		}
		size := binary.BigEndian.Uint32(frame[5:headLength])
		if size > maxSize {
			return
		}
		length := headLength + int(size)
		if length > len(frame) {
			longer := make([]byte, length)
			copy(longer, frame[:headLength])
			frame = longer
		}
		if _, err := io.ReadFull(reader, frame[headLength:length]); err != nil {
			return
		}
		if _, err := writer.Write(frame[:length]); err != nil {
			return
		}
	}
}

func serve(conn net.Conn, format string) {
	defer conn.Close()
	if format == "text" {
		echoText(conn)
		return
	}
	writer := bufio.NewWriter(conn)
	reader := bufio.NewReader(&connection{conn, writer})
	defer writer.Flush()
	if format == "tcpv2" {
		echoFixed(reader, writer)
	} else {
		echoVariable(reader, writer)
	}
}

func serveDatagrams(conn *net.UDPConn) error {
	buffer := make([]byte, 65535)
	for {
		count, peer, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return err
		}
		if _, err := conn.WriteToUDPAddrPort(buffer[:count], peer); err != nil {
			return err
		}
	}
}

func run(format string) error {
	if format == "udp" {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return err
		}
		fmt.Println("Listening on", conn.LocalAddr())
		return serveDatagrams(conn)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("Listening on", listener.Addr())
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go serve(conn, format)
	}
}

func main() {
	formats := map[string]bool{"udp": true, "text": true, "tcpv2": true, "tcpv3": true}
	if len(os.Args) != 2 || !formats[os.Args[1]] {
		fmt.Fprintln(os.Stderr, "usage: server udp|text|tcpv2|tcpv3")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}
