-- netlab: the protocols of the socket laboratory, named in Wireshark and tshark (docs/protocol.md).
--
-- Install it with `netlab wireshark install`, or try it with `tshark -X lua_script:netlab.lua -r FILE`. For
-- Wireshark 3.6 or later; it keeps to what Lua 5.2, 5.3 and 5.4 have in common.
--
-- UDP and TCP port 5005 are read as the laboratory's, and so is a conversation on any other port that cannot
-- be mistaken for anything else. `-d tcp.port==N,netlab_v3` (Decode As) reads a port in one format whatever it
-- holds: what would a server of that format have said?
--
-- How it works. A model follows each connection segment by segment, as a server does: it cuts the stream into
-- frames, notes what is wrong or odd, and pairs echoes. It is fed once for each packet, on the first pass, and
-- remembers by the packet's number what it found there, so that every later look at a packet shows the same.
-- dissect_tcp_pdus has TCP join the segments of a frame, at the places that the model names; and a
-- postdissector adds what is no byte of any segment: a FIN inside a frame, a frame that has begun, a deadline.
--
-- Text over TCP has no frames: a message is what one read of the server yields, which no capture shows. Here
-- each segment is taken for one.
--
-- What a peer sent is escaped before it stands in a column, a title or an expert note.

local PORT = 5005
local PREFIX = "ECHO: "
local HEADER_LENGTH, FIXED_LENGTH, FIELD_LENGTH = 9, 29, 20
local MAX_SIZE = 1048576
local FRAME_TIMEOUT = 30

-- What is kept, at most. Of a connection that no one has claimed, and of one whose variant is not known yet:
local HISTORY_SEGMENTS, HISTORY_BYTES = 64, 65536
-- Of segments that came before their turn, in one direction of a connection:
local AHEAD_SEGMENTS, AHEAD_BYTES = 1024, 4194304
-- Of messages that wait for their echo, in one conversation:
local WAITING_MESSAGES, WAITING_BYTES = 4096, 16777216
-- Of frames that TCP does not hand over, and which are shown from a copy, in the whole capture:
local COPIED_BYTES = 67108864
-- Of a message that is decoded for `netlab.message`, the Info column and a title:
local DECODED_BYTES, SHOWN_CHARACTERS, SHOWN_FRAMES = 65536, 60, 6

-- Bytes of text that must have come before a frame that is not whole is recognised on any port.
local PLAIN_BYTES = 64

-- UDP: an echo that has not come for so many seconds, while the capture went on, is missing.
local ECHO_PATIENCE = 5

---------------------------------------------------------------------------------------------------------------
-- Protocols, fields, words

local netlab = Proto("netlab", "Socket laboratory")
local netlab_v2 = Proto("netlab_v2", "Socket laboratory v2")
local netlab_v3 = Proto("netlab_v3", "Socket laboratory v3")
local netlab_streams = Proto("netlab_streams", "Socket laboratory, streams")

local field = {
    variant = ProtoField.string("netlab.variant", "Variant"),
    message = ProtoField.string("netlab.message", "Message", base.UNICODE),
    sender = ProtoField.string("netlab.sender", "Sender"),
    text = ProtoField.string("netlab.text", "Text", base.UNICODE),
    prefix = ProtoField.string("netlab.prefix", "Prefix"),
    reason = ProtoField.string("netlab.reason", "Violation"),
    offset = ProtoField.uint64("netlab.offset", "Offset in the stream"),
    start = ProtoField.uint64("netlab.start", "Begins at byte of the stream"),
    note = ProtoField.string("netlab.note", "Note"),
    echo_in = ProtoField.framenum("netlab.echo_in", "Echo in", base.NONE, frametype.RESPONSE),
    echo_of = ProtoField.framenum("netlab.echo_of", "Echo of", base.NONE, frametype.REQUEST),
    echo_time = ProtoField.relative_time("netlab.echo_time", "Time until the echo"),
    discarded = ProtoField.bytes("netlab.discarded", "Discarded"),
    unread = ProtoField.bytes("netlab.unread", "Not read"),
}
netlab.fields = field

local v2 = {
    version = ProtoField.uint8("netlab.v2.version", "Version"),
    order = ProtoField.uint32("netlab.v2.order", "Order"),
    size = ProtoField.uint32("netlab.v2.size", "Size in characters"),
    text = ProtoField.string("netlab.v2.text", "Text", base.UNICODE),
    padding = ProtoField.bytes("netlab.v2.padding", "Padding"),
}
netlab_v2.fields = v2

local v3 = {
    version = ProtoField.uint8("netlab.v3.version", "Version"),
    order = ProtoField.uint32("netlab.v3.order", "Order"),
    size = ProtoField.uint32("netlab.v3.size", "Size in bytes"),
    text = ProtoField.string("netlab.v3.text", "Text", base.UNICODE),
    layout = ProtoField.string("netlab.v3.layout", "Layout"),
    decided = ProtoField.string("netlab.v3.decided", "Layout found"),
    hint = ProtoField.string("netlab.v3.hint", "Layout that would fit"),
}
netlab_v3.fields = v3

local ERROR, WARN, NOTE = expert.severity.ERROR, expert.severity.WARN, expert.severity.NOTE
local MALFORMED, PROTOCOL, SEQUENCE = expert.group.MALFORMED, expert.group.PROTOCOL, expert.group.SEQUENCE

-- The closed lists: the reason words of R1 (`netlab.reason`), and the notes (`netlab.note`), of which the
-- orders' are those of O3.
local REASONS = {
    { "wrong-version", MALFORMED, ERROR, "A frame does not begin with the version" },
    { "wrong-layout", MALFORMED, ERROR, "The stream makes sense in the other layout" },
    { "oversize", MALFORMED, ERROR, "A header announces too much" },
    { "truncated", PROTOCOL, ERROR, "The FIN came inside a frame" },
    { "deadline", PROTOCOL, WARN, "A frame was begun and not ended in time" },
}
local NOTES = {
    { "order-zero", SEQUENCE, NOTE, "Order 0 where it was not due" },
    { "order-repeat", SEQUENCE, NOTE, "The order of the message before" },
    { "order-jump", SEQUENCE, NOTE, "An order that is not the next one" },
    { "text-cut", PROTOCOL, NOTE, "The text was cut to its field of 20 bytes" },
    { "other-layout", PROTOCOL, NOTE, "The other layout would fit" },
    { "missing-echo", SEQUENCE, WARN, "An echo did not come" },
    { "wrong-echo", SEQUENCE, WARN, "An echo is not what was sent" },
    { "doubled-echo", SEQUENCE, NOTE, "An echo came once more" },
    { "stray-echo", SEQUENCE, NOTE, "An answer to nothing that was sent" },
    { "unfinished", PROTOCOL, NOTE, "A frame began that did not become whole" },
    { "reset-inside", PROTOCOL, NOTE, "A reset came inside a frame" },
    { "out-of-order", SEQUENCE, NOTE, "A segment came before its turn" },
    { "lost", SEQUENCE, WARN, "A part of the stream is not in the capture" },
}

local experts = {}
for _, list in ipairs({ REASONS, NOTES }) do
    for _, entry in ipairs(list) do
        local word, group, severity, summary = entry[1], entry[2], entry[3], entry[4]
        experts[word] = ProtoExpert.new("netlab.expert." .. word:gsub("%-", "_"), summary, group, severity)
    end
end
netlab.experts = experts

local VARIANTS = { [1] = "text", [2] = "v2", [3] = "v3" }
local LAYOUTS = { [1] = "guide", [2] = "scripts" }

netlab.prefs.variant = Pref.enum(
    "Variant over TCP",
    0,
    "What is spoken on TCP port 5005, and where Decode As says `netlab`",
    { { 1, "auto", 0 }, { 2, "text", 1 }, { 3, "v2", 2 }, { 4, "v3", 3 } },
    false
)
netlab.prefs.frame_timeout = Pref.uint(
    "Frame timeout",
    FRAME_TIMEOUT,
    "Seconds that a frame of v2 or v3 may take from its first byte to its last, 0 for ever (the server's --frame-timeout)"
)
netlab_v3.prefs.layout = Pref.enum(
    "Layout",
    0,
    "Which of a header's two numbers comes first (the server's --layout): guide is order, size; scripts is size, order",
    { { 1, "auto", 0 }, { 2, "guide", 1 }, { 3, "scripts", 2 } },
    false
)
netlab_v3.prefs.max_size =
    Pref.uint("Max size", MAX_SIZE, "The longest payload that the server takes, in bytes (its --max-size)")

local FIELDS_OF_LAYOUT = { guide = "version, order, size", scripts = "version, size, order" }

local function other_of(layout)
    return layout == "guide" and "scripts" or "guide"
end

---------------------------------------------------------------------------------------------------------------
-- Bytes and characters (T2, F4, P1)

local function number_at(data, at)
    local a, b, c, d = data:byte(at, at + 3)
    return ((a * 256 + b) * 256 + c) * 256 + d
end

-- The character of UTF-8 at data[at]: its length and code; or 0 where the bytes begin one whose rest is not
-- there, or nil where they are none.
local function character_at(data, at)
    local first = data:byte(at)
    if first < 0x80 then
        return 1, first
    end
    local length, low, high, code = 2, 0x80, 0xBF, first - 0xC0
    if first < 0xC2 or first > 0xF4 then
        return nil
    elseif first >= 0xF0 then
        length, code = 4, first - 0xF0
        low, high = first == 0xF0 and 0x90 or 0x80, first == 0xF4 and 0x8F or 0xBF
    elseif first >= 0xE0 then
        length, code = 3, first - 0xE0
        low, high = first == 0xE0 and 0xA0 or 0x80, first == 0xED and 0x9F or 0xBF
    end
    for further = 1, length - 1 do
        local byte = data:byte(at + further)
        if not byte then
            return 0
        elseif byte < low or byte > high then
            return nil
        end
        low, high, code = 0x80, 0xBF, code * 64 + byte - 0x80
    end
    return length, code
end

-- How many of these bytes are not the beginning of a character whose rest is still to come.
local function complete_length(data)
    for at = math.max(1, #data - 2), #data do
        if data:byte(at) >= 0xC0 and character_at(data, at) == 0 then
            return at - 1
        end
    end
    return #data
end

local NAMED = { [0x0A] = "\\n", [0x0D] = "\\r", [0x09] = "\\t" }

-- Would a terminal or a reader be misled by this character?
local function is_unprintable(code)
    return code < 0x20
        or code >= 0x7F and code <= 0x9F
        or code == 0x061C
        or code == 0x200E
        or code == 0x200F
        or code >= 0x2028 and code <= 0x202E
        or code >= 0x2066 and code <= 0x2069
end

-- The bytes as one line of text that is safe to show: what is no UTF-8, and what is no plain character, is
-- written as Python would. Returns the text, how many characters the bytes are, and how many bytes were read:
-- less than all where `most` characters are enough.
local function printable(data, most)
    most = most or math.huge
    if #data <= most and not data:find("[^\32-\126]") then
        return data, #data, #data
    end
    local parts, at, count = {}, 1, 0
    while at <= #data and count < most do
        local length, code = character_at(data, at)
        if not length or length == 0 then
            parts[#parts + 1] = ("\\x%02x"):format(data:byte(at))
            length = 1
        elseif is_unprintable(code) then
            parts[#parts + 1] = NAMED[code] or (code < 0x100 and "\\x%02x" or "\\u%04x"):format(code)
        else
            parts[#parts + 1] = data:sub(at, at + length - 1)
        end
        at, count = at + length, count + 1
    end
    return table.concat(parts), count, at - 1
end

-- The beginning of a message, for a title or a column.
local function shortened(data)
    local text, _, read = printable(data:sub(1, 8 * SHOWN_CHARACTERS), SHOWN_CHARACTERS)
    return read < #data and text .. "…" or text
end

-- The message as a server prints it.
local function message_of(data)
    if #data <= DECODED_BYTES then
        return (printable(data))
    end
    return printable(data:sub(1, DECODED_BYTES)) .. "…"
end

-- Is this a text that a person may have typed? The heuristics ask; T2 would let anything in.
local function is_plain_text(data)
    local at = 1
    while at <= #data do
        local length, code = character_at(data, at)
        if not length or length == 0 or (is_unprintable(code) and not NAMED[code]) then
            return false
        end
        at = at + length
    end
    return true
end

local function in_hex(data)
    return (data:gsub(".", function(byte)
        return ("%02x "):format(byte:byte())
    end):gsub(" $", ""))
end

local function following(order)
    return (order + 1) % 4294967296
end

---------------------------------------------------------------------------------------------------------------
-- Cutters: one direction of a connection in v2 or v3 becomes frames, and at most one violation, the last
--
-- A cutter holds the beginning of one frame, in pieces. `at` is where in the stream that frame begins, `need`
-- how many bytes of it must be there before anything new can be said.

-- variant: v2 or v3. at: where in the stream it begins. first_order: the order that is due, nil where the
-- beginning of the stream was not seen. told: gives the layout that is to be read, or nil to find it out.
local function new_cutter(variant, at, first_order, told)
    return { variant = variant, at = at, expected = first_order, told = told, held = {}, held_length = 0, need = 1 }
end

-- Is the order the expected one in this layout, and neither that nor 0 in the other (V6)?
local function speaks_for(fork, layout)
    local order, other_order = fork.first, fork.second
    if layout == "scripts" then
        order, other_order = other_order, order
    end
    return order == fork.expected and other_order ~= fork.expected and other_order ~= 0
end

-- Does a frame with such a payload end where the bytes end, or where the next frame begins?
local function ends_well(data, at, size)
    local after = at + HEADER_LENGTH + size
    return after == #data or (after < #data and data:byte(after + 1) == 1)
end

-- The layout of the stream, if it can be told from data[at:], where the fork stands (V6, V7).
local function decided(cutter, data, at)
    local fork, told = cutter.fork, cutter.told()
    if told then
        return told
    elseif not fork.expected then
        -- The stream was joined in its middle, so no order is due: the ends of the frames have to tell.
        local scripts_only = ends_well(data, at, fork.first) and not ends_well(data, at, fork.second)
        return scripts_only and "scripts" or "guide"
    elseif fork.first > netlab_v3.prefs.max_size or not speaks_for(fork, "scripts") then
        return "guide"
    elseif #data - at >= HEADER_LENGTH + fork.first then
        return "scripts"
    end
    return nil
end

-- What the other layout says about a violation (R6): its reason word, and the layout that would have fitted.
local function explained(cutter, reason, at)
    local fork, layout = cutter.fork, cutter.layout
    if not fork or not layout or not fork.expected then
        return reason, nil
    end
    local order, size = fork.first, fork.second
    if layout == "guide" then
        order, size = size, order
    end
    local oversize_here = reason == "oversize" and at == fork.at
    local implied = order == fork.expected or (oversize_here and size > 0)
    if not implied or size == fork.expected or size > netlab_v3.prefs.max_size then
        return reason, nil
    elseif reason == "wrong-version" or reason == "oversize" then
        reason = "wrong-layout"
    end
    return reason, other_of(layout)
end

local function hold(cutter, data, need)
    cutter.held, cutter.held_length, cutter.need = { data }, #data, need
end

local function violate(cutter, items, reason, data, detail, advice)
    local hint
    reason, hint = explained(cutter, reason, cutter.at)
    if hint then
        advice = ("read as %s, the frame at byte %d makes sense: try the preference Layout: %s (netlab_v3.layout)"):format(
            FIELDS_OF_LAYOUT[hint], cutter.fork.at, hint)
    end
    cutter.violation = {
        kind = "violation",
        reason = reason,
        start = cutter.at,
        head = data:sub(1, 16),
        have = #data,
        detail = detail,
        advice = advice,
        hint = hint,
        layout = cutter.layout,
    }
    cutter.held, cutter.held_length = {}, 0
    items[#items + 1] = cutter.violation
end

-- Find the frames in data, whose first byte stands at cutter.at and begins a frame.
local function cut(cutter, data, items)
    local at, total, need = 0, #data, 1
    local start = cutter.at
    local fixed = cutter.variant == "v2"
    while at < total do
        local found = data:byte(at + 1)
        if found ~= 1 then
            return violate(cutter, items, "wrong-version", data:sub(at + 1, at + 16),
                ("a frame begins with the byte 0x%02x where the version, 0x01, belongs"):format(found),
                "was the frame before it as long as it said?")
        end
        need = fixed and FIXED_LENGTH or HEADER_LENGTH
        if total - at < need then
            break
        end
        local first, second = number_at(data, at + 2), number_at(data, at + 6)
        local order, size, length = first, second, FIXED_LENGTH
        local layout, other_fits
        if not fixed then
            if first ~= second and not cutter.layout then
                cutter.fork = cutter.fork
                    or { at = cutter.at, first = first, second = second, expected = cutter.expected }
                cutter.layout = decided(cutter, data, at)
                if not cutter.layout then
                    need = HEADER_LENGTH + first
                    break
                elseif not cutter.told() then
                    items[#items + 1] = { kind = "decided", start = cutter.at, layout = cutter.layout }
                end
            end
            layout = first ~= second and cutter.layout or cutter.layout or "either"
            other_fits = cutter.fork and cutter.fork.at == cutter.at and speaks_for(cutter.fork, other_of(layout))
            if layout == "scripts" then
                order, size = second, first
            end
            if size > netlab_v3.prefs.max_size then
                return violate(cutter, items, "oversize", data:sub(at + 1, at + 16),
                    ("a header announces %d bytes, and the limit is %d"):format(size, netlab_v3.prefs.max_size),
                    "check the byte order and the order of the fields")
            end
            length = HEADER_LENGTH + size
            if total - at < length then
                need = length
                break
            end
            cutter.expected = following(order)
        end
        items[#items + 1] = {
            kind = "frame",
            start = cutter.at,
            length = length,
            order = order,
            size = size,
            layout = layout,
            other_fits = other_fits,
            bytes = data:sub(at + 1, at + length),
        }
        at = at + length
        cutter.at = start + at
    end
    if at < total then
        hold(cutter, data:sub(at + 1), need)
    end
end

-- Take the next bytes of the stream; what has become whole with them is added to items.
local function feed(cutter, data, items)
    if cutter.violation or #data == 0 then
        return
    end
    if cutter.held_length > 0 then
        cutter.held[#cutter.held + 1] = data
        cutter.held_length = cutter.held_length + #data
        if cutter.held_length < cutter.need then
            return
        end
        data = table.concat(cutter.held)
        cutter.held, cutter.held_length = {}, 0
    end
    cut(cutter, data, items)
end

-- No more will come: a frame that is not whole never will be (R4, R5).
local function finish(cutter, items, reason, what, advice)
    if cutter.violation or cutter.held_length == 0 then
        return
    end
    if cutter.fork and not cutter.layout then
        -- It is not whole in the scripts' layout, and will not become so (V7).
        local data = table.concat(cutter.held)
        cutter.layout, cutter.held, cutter.held_length = "guide", {}, 0
        items[#items + 1] = { kind = "decided", start = cutter.at, layout = "guide" }
        cut(cutter, data, items)
    end
    if cutter.held_length > 0 then
        violate(cutter, items, reason, table.concat(cutter.held),
            ("%s after %d bytes of a frame that needs %d"):format(what, cutter.held_length, cutter.need), advice)
    end
end

---------------------------------------------------------------------------------------------------------------
-- The answers of a text server: ECHO: and the bytes, in any pieces (T3, T4)
--
-- All that the client sent is one text, and the answers are to be cut into pieces, each a prefix and some of
-- that text. Where the text itself holds something like a prefix there is more than one way to read a byte:
-- all are followed. A way is how much of the text it has matched, how many bytes of its piece's prefix (7 once
-- the piece has text), and where the last prefixes began.

local IN_TEXT = #PREFIX + 1

local function new_matcher(at)
    return { sent = "", base = at, at = 0, ways = { { matched = at, progress = 0 } } }
end

local function match_byte(matcher, byte)
    local further, known = {}, {}
    local function add(matched, progress, prefixes)
        local key = matched * 8 + progress
        if not known[key] then
            known[key] = true
            further[#further + 1] = { matched = matched, progress = progress, prefixes = prefixes }
        end
    end
    for _, way in ipairs(matcher.ways) do
        if way.progress < #PREFIX then
            if byte == PREFIX:byte(way.progress + 1) then
                local prefixes = way.prefixes
                if way.progress == 0 then
                    prefixes = { start = matcher.at, before = prefixes }
                end
                add(way.matched, way.progress + 1, prefixes)
            end
        else
            if byte == matcher.sent:byte(way.matched - matcher.base + 1) then
                add(way.matched + 1, IN_TEXT, way.prefixes)
            end
            if byte == PREFIX:byte(1) and way.progress == IN_TEXT then
                add(way.matched, 1, { start = matcher.at, before = way.prefixes })
            end
        end
    end
    matcher.ways, matcher.at = further, matcher.at + 1
end

-- Take the next bytes of the answers, which begin at `at` of the server's stream.
local function match(matcher, data, at)
    matcher.at = at
    for _, way in ipairs(matcher.ways) do
        -- Of the prefixes before this segment only one that is not whole yet can show in it.
        if way.progress > 0 and way.progress < #PREFIX then
            way.prefixes = { start = way.prefixes.start }
        else
            way.prefixes = nil
        end
    end
    local done = 0
    while done < #data and #matcher.ways > 0 do
        local way = matcher.ways[1]
        local prefix = data:find(PREFIX:sub(1, 1), done + 1, true) or #data + 1
        local stretch = prefix - 1 - done
        if stretch > 0 and #matcher.ways == 1 and way.progress >= #PREFIX then
            -- No prefix begins in this stretch, so there is one way to read it: compare it at once.
            local from = way.matched - matcher.base
            if data:sub(done + 1, done + stretch) == matcher.sent:sub(from + 1, from + stretch) then
                way.matched, way.progress = way.matched + stretch, IN_TEXT
            else
                matcher.ways = {}
            end
            done, matcher.at = done + stretch, matcher.at + stretch
        else
            done = done + 1
            match_byte(matcher, data:byte(done))
        end
    end
end

-- The way that has matched most.
local function best_way(matcher)
    local best
    for _, way in ipairs(matcher.ways) do
        if not best or way.matched > best.matched or (way.matched == best.matched and way.progress > best.progress) then
            best = way
        end
    end
    return best
end

-- The places of a segment's prefixes and texts: a list of { is_prefix, from, length }, from 0.
local function pieces_of(matcher, start, length)
    local starts, node = {}, (best_way(matcher) or {}).prefixes
    while node do
        table.insert(starts, 1, node.start)
        node = node.before
    end
    local pieces, at = {}, start
    local function add(is_prefix, to)
        to = math.min(to, start + length)
        if to > at then
            pieces[#pieces + 1] = { is_prefix, at - start, to - at }
            at = to
        end
    end
    for _, prefix in ipairs(starts) do
        add(false, prefix)
        add(true, prefix + #PREFIX)
    end
    add(false, start + length)
    return pieces
end

---------------------------------------------------------------------------------------------------------------
-- The model: connections, their two directions, and what was found in each packet

local model

local function reset_model()
    model = {
        connections = {}, -- by the two ends, the newest only
        packets = {}, -- what was found, by the packet's number
        datagrams = {}, -- conversations over UDP, by the two ends
        last = 0, -- the last packet that was fed
        now = 0,
        copied = 0,
        claims = {}, -- who was asked to dissect a packet that could not be fed yet
        heuristic_at = 0, -- the last packet that was offered to the heuristics
        shown = {}, -- what has been shown of the packet that is being dissected
        columns = 0, -- how many parts its Info column has
    }
end

local function new_direction(name)
    return {
        name = name,
        next = nil, -- the position of the next byte; nil before any segment was seen
        base = nil, -- the sequence number of position 0
        ahead = {},
        ahead_length = 0,
        lost = false, -- it is not known where the next frame begins
        expected = 1,
        previous = nil,
        begun = "", -- of a character that is split over two segments
    }
end

-- The two ends of a packet, in one word that is the same for both directions.
local function key_of(from, to)
    return from < to and from .. " " .. to or to .. " " .. from
end

-- Who is the client, where no handshake was seen?
local function client_by_port(segment)
    if segment.to_port == PORT or segment.from_port == PORT then
        return segment.to_port == PORT and segment.from or segment.to
    end
    return segment.from_port < segment.to_port and segment.to or segment.from
end

local function note(record, word, text)
    record.notes[#record.notes + 1] = { word, text }
end

local function keep(item)
    -- Long enough for the packet's own dissection; the postdissector decides whether for longer.
    model.copied = model.copied + #item.bytes
end

local function drop(item)
    if item.bytes and item.kind ~= "text" then
        model.copied = model.copied - #item.bytes
        item.bytes = nil
    end
end

local function take_order(direction, item)
    local expected, previous = direction.expected, direction.previous
    direction.expected, direction.previous = following(item.order), item.order
    if not expected or item.order == expected then
        return nil
    elseif item.order == 0 then
        return "order-zero"
    end
    return item.order == previous and "order-repeat" or "order-jump"
end

local function pair(request, reply)
    request.echo_in = reply.number
    reply.echo_of = request.number
    reply.echo_time = reply.time - request.time
    request.echo_time = reply.echo_time
end

-- The messages that wait for an echo. Each is its item, with its bytes as `sent`; in the order of sending.
local function new_waiting()
    return { list = {}, first = 1, bytes = 0, echoes = 0, answered = {} }
end

local function await(waiting, item)
    item.sent = item.bytes
    waiting.list[#waiting.list + 1] = item
    waiting.bytes = waiting.bytes + #item.sent
    while #waiting.list - waiting.first >= WAITING_MESSAGES or waiting.bytes > WAITING_BYTES do
        local oldest = waiting.list[waiting.first]
        if oldest.sent then
            waiting.bytes, oldest.sent = waiting.bytes - #oldest.sent, nil
        end
        waiting.list[waiting.first], waiting.first = false, waiting.first + 1
    end
end

-- Find the oldest message for which is_it is true, and let it wait no longer.
local function answered(waiting, is_it)
    for index = waiting.first, #waiting.list do
        local item = waiting.list[index]
        if item and item.sent and is_it(item) then
            waiting.bytes, item.sent = waiting.bytes - #item.sent, nil
            waiting.list[index] = false
            while waiting.list[waiting.first] == false do
                waiting.first = waiting.first + 1
            end
            return item
        end
    end
    return nil
end

-- A frame of the server's is an echo by its order and its bytes (E1, E2). from_start: whether all that the client
-- sent is known.
local function match_echo(waiting, item, from_start)
    local request = answered(waiting, function(one)
        return one.order == item.order and one.sent == item.bytes
    end)
    if request then
        waiting.echoes = waiting.echoes + 1
        waiting.answered[item.order] = request
        return pair(request, item)
    end
    request = answered(waiting, function(one)
        return one.order == item.order
    end)
    if request then
        waiting.echoes = waiting.echoes + 1
        pair(request, item)
        item.echo_word = "wrong-echo"
    elseif waiting.answered[item.order] then
        item.echo_of, item.echo_word = waiting.answered[item.order].number, "doubled-echo"
    elseif from_start then
        item.echo_word = "stray-echo"
    end
end

-- The echoes that have not come when the connection ends are missing (E3).
local function close_echoes(connection, record)
    local waiting = connection.waiting
    if connection.closed then
        return
    end
    connection.closed = true
    local missing, examples = 0, {}
    for index = waiting.first, #waiting.list do
        local item = waiting.list[index]
        if item then
            missing = missing + 1
            if missing <= 5 then
                examples[missing] = item.order and ("order %d"):format(item.order) or ("frame %d"):format(item.number)
            end
        end
    end
    if missing > 0 and (waiting.echoes > 0 or connection.variant == "text") then
        note(record, "missing-echo", ("missing-echo: the connection ended, and %d message%s got no echo (%s%s)"):format(
            missing, missing == 1 and "" or "s", table.concat(examples, ", "), missing > 5 and ", ..." or ""))
        connection.missing = true
    end
end

local function told_layout(connection, direction)
    return function()
        local forced = LAYOUTS[netlab_v3.prefs.layout]
        if not forced and connection and direction == connection.back and connection.forth.cutter then
            return connection.forth.cutter.layout -- an echo has the layout of its frame (V8)
        end
        return forced
    end
end

-- Begin to cut a direction at a position, where nothing before it is held.
local function open_direction(connection, direction, at)
    direction.open = nil
    if connection.variant ~= "text" then
        direction.cutter =
            new_cutter(connection.variant, at, direction.expected, told_layout(connection, direction))
    end
end

local function add_items(connection, direction, record, items)
    for _, item in ipairs(items) do
        item.number, item.time = record.number, record.time
        item.connection, item.variant, item.forth = connection, connection.variant, direction == connection.forth
        record.items[#record.items + 1] = item
        local begun = direction.open
        if begun and begun.start == item.start and item.kind ~= "decided" then
            begun.became, item.began_in = item, begun.number
            direction.open = nil
        end
        if item.kind == "frame" then
            keep(item)
            item.order_word, item.order_due = nil, direction.expected
            item.order_word = take_order(direction, item)
            if item.forth then
                connection.first_length = connection.first_length or item.length
                await(connection.waiting, item)
            else
                match_echo(connection.waiting, item, connection.forth.from_start)
            end
        end
    end
end

local function add_text(connection, direction, record, data, at)
    local item = {
        kind = "text",
        start = at,
        length = #data,
        bytes = data,
        begun = direction.begun,
        number = record.number,
        time = record.time,
        connection = connection,
        variant = "text",
        forth = direction == connection.forth,
    }
    record.items[#record.items + 1] = item
    local seen = direction.begun .. data
    if item.forth then
        local matcher = connection.matcher
        if not matcher or (#matcher.ways == 0) then
            -- The first message, or the first after an answer that fitted nothing: begin anew.
            matcher = new_matcher(at)
            connection.matcher = matcher
            connection.waiting = connection.waiting.echoes == 0 and connection.waiting or new_waiting()
            connection.waiting.echoes = connection.waiting.echoes + (connection.echoed and 1 or 0)
        end
        matcher.sent = matcher.sent .. data
        await(connection.waiting, item)
    else
        local matcher = connection.matcher
        if not matcher then
            item.echo_word, item.pieces = connection.forth.from_start and "stray-echo" or nil, { { false, 0, #data } }
        else
            match(matcher, data, at)
            item.pieces = pieces_of(matcher, at, #data)
            local best = best_way(matcher)
            if not best then
                item.echo_word, item.pieces = "wrong-echo", { { false, 0, #data } }
            else
                local list = connection.waiting
                while list.list[list.first] and list.list[list.first].start + list.list[list.first].length <= best.matched do
                    local request = list.list[list.first]
                    list.bytes = list.bytes - #(request.sent or "")
                    request.sent, list.list[list.first] = nil, false
                    list.first, list.echoes = list.first + 1, list.echoes + 1
                    connection.echoed = true
                    request.echo_in, request.echo_time = item.number, item.time - request.time
                    -- One segment may answer several messages: the link is to the last.
                    item.echo_of, item.echo_time = request.number, request.echo_time
                end
                local least = best.matched
                for _, way in ipairs(matcher.ways) do
                    least = math.min(least, way.matched)
                end
                matcher.sent, matcher.base = matcher.sent:sub(least - matcher.base + 1), least
            end
        end
        -- The message is the answer's text, without its prefixes.
        local texts = {}
        for _, piece in ipairs(item.pieces) do
            if not piece[1] then
                texts[#texts + 1] = data:sub(piece[2] + 1, piece[2] + piece[3])
            end
        end
        seen = direction.begun .. table.concat(texts)
    end
    local whole = complete_length(seen)
    item.message, direction.begun = seen:sub(1, whole), seen:sub(whole + 1)
end

-- Does a frame seem to begin here? Where a part of the stream is missing, nothing else tells.
local function seems_to_begin(variant, data)
    if data:byte(1) ~= 1 or #data < HEADER_LENGTH then
        return false
    elseif variant == "v2" then
        return #data < FIXED_LENGTH or #data == FIXED_LENGTH or data:byte(FIXED_LENGTH + 1) == 1
    end
    return math.min(number_at(data, 2), number_at(data, 6)) <= netlab_v3.prefs.max_size
end

-- The next bytes of a direction, in the order of the stream.
local function take(connection, direction, record, data, at)
    direction.next = at + #data
    if connection.variant == "text" then
        return add_text(connection, direction, record, data, at)
    end
    if direction.lost then
        if not seems_to_begin(connection.variant, data) then
            record.unread = true
            return
        end
        direction.lost = false
        open_direction(connection, direction, at)
    elseif not direction.cutter then
        open_direction(connection, direction, at)
    end
    local cutter, items = direction.cutter, {}
    if cutter.violation then
        record.discarded = true
        return
    end
    feed(cutter, data, items)
    add_items(connection, direction, record, items)
    record.pending = nil
    if cutter.held_length > 0 then
        if not direction.open then
            direction.open = { start = cutter.at, number = record.number, time = record.time }
        end
        record.pending = { open = direction.open, have = cutter.held_length, need = cutter.need }
    end
end

-- What is pending in a direction will not become whole.
local function give_up(connection, direction, record, reason, what, advice)
    if direction.cutter then
        local items = {}
        finish(direction.cutter, items, reason, what, advice)
        add_items(connection, direction, record, items)
    end
end

local function check_deadline(connection, direction, record)
    local timeout, open = netlab.prefs.frame_timeout, direction.open
    if timeout > 0 and open and record.time - open.time > timeout then
        give_up(connection, direction, record, "deadline", ("its %d seconds were up"):format(timeout),
            "send all the bytes that the frame announces")
    end
end

-- Segments that came before their turn, whose turn it is now.
local function take_ahead(connection, direction, record)
    while direction.ahead[1] and direction.ahead[1].at <= direction.next do
        local early = table.remove(direction.ahead, 1)
        direction.ahead_length = direction.ahead_length - #early.data
        local data = early.data:sub(direction.next - early.at + 1)
        if #data > 0 then
            record.took_ahead = true
            take(connection, direction, record, data, direction.next)
        end
    end
end

-- What is missing will not come any more: go on behind it.
local function skip_lost(connection, direction, record)
    local early = direction.ahead[1]
    note(record, "lost", ("lost: %d bytes of this connection are not in the capture, from byte %d on"):format(
        early.at - direction.next, direction.next))
    direction.lost, direction.expected, direction.previous = true, nil, nil
    direction.next, direction.begun, direction.open = early.at, "", nil
    if direction.cutter and not direction.cutter.violation then
        direction.cutter.held, direction.cutter.held_length = {}, 0
    else
        direction.lost = false
    end
    take_ahead(connection, direction, record)
end

local function take_fin(connection, direction, other, record)
    direction.ended = true
    give_up(connection, direction, record, "truncated", "the FIN came", "close only after the last byte of a frame")
    if connection.variant == "text" and #direction.begun > 0 then
        record.items[#record.items + 1] = {
            kind = "text",
            start = direction.next,
            length = 0,
            bytes = "",
            begun = direction.begun,
            message = direction.begun,
            pieces = {},
            number = record.number,
            time = record.time,
            connection = connection,
            variant = "text",
            forth = direction == connection.forth,
        }
        direction.begun = ""
    end
    give_up(connection, other, record, "deadline", "the receiver closed",
        "send all the bytes that the frame announces, and in time")
    if direction == connection.back or other.ended then
        close_echoes(connection, record)
    end
end

-- One segment of a connection whose variant is known.
local function process(connection, segment)
    local direction = segment.forth and connection.forth or connection.back
    local other = segment.forth and connection.back or connection.forth
    local at = segment.at
    local record = {
        connection = connection,
        number = segment.number,
        time = segment.time,
        forth = segment.forth,
        start = at,
        length = #segment.data,
        items = {},
        notes = {},
        from = direction.cutter and direction.cutter.at or at,
    }
    if not direction.cutter or direction.cutter.violation or direction.lost then
        record.from = at
    end
    check_deadline(connection, direction, record)
    check_deadline(connection, other, record)
    if #segment.data > 0 then
        local next_at = direction.next
        if at > next_at then
            record.ahead = true
            note(record, "out-of-order", ("out-of-order: %d bytes before this segment are not there yet"):format(at - next_at))
            local index = #direction.ahead + 1
            while index > 1 and direction.ahead[index - 1].at > at do
                index = index - 1
            end
            table.insert(direction.ahead, index, { at = at, data = segment.data })
            direction.ahead_length = direction.ahead_length + #segment.data
            if #direction.ahead > AHEAD_SEGMENTS or direction.ahead_length > AHEAD_BYTES then
                skip_lost(connection, direction, record)
            end
        elseif at + #segment.data <= next_at then
            record.repeated = true
        else
            take(connection, direction, record, segment.data:sub(next_at - at + 1), next_at)
            take_ahead(connection, direction, record)
        end
        if segment.cut then
            note(record, "lost", ("lost: %d bytes of this segment were not captured"):format(segment.cut))
            direction.next = direction.next + (record.repeated and 0 or segment.cut)
            direction.lost, direction.expected = connection.variant ~= "text", nil
        end
    end
    if other.ahead[1] and segment.ack and segment.ack > other.next then
        skip_lost(connection, other, record)
    end
    if segment.fin then
        direction.fin_at = at + #segment.data
    end
    if direction.fin_at and not direction.ended and direction.next >= direction.fin_at then
        take_fin(connection, direction, other, record)
    end
    if segment.rst and not connection.was_reset then
        connection.was_reset = true
        for _, one in ipairs({ direction, other }) do
            if one.open then
                note(record, "reset-inside", ("reset-inside: a reset came after %d bytes of a frame that needs %d"):format(
                    one.cutter.held_length, one.cutter.need))
                one.open.was_reset, one.open = record.number, nil
            end
        end
        close_echoes(connection, record)
    end
    model.packets[segment.number] = record
end

-- All that was kept of a connection, read in a variant.
local function replay(connection, variant)
    connection.variant, connection.first_length = variant, nil
    connection.waiting = new_waiting()
    for _, direction in ipairs({ connection.forth, connection.back }) do
        direction.cutter, direction.open, direction.ended, direction.fin_at = nil, nil, nil, nil
        direction.next, direction.lost = direction.began_at, not direction.from_start and variant ~= "text"
        direction.expected, direction.previous, direction.begun = direction.from_start and 1 or nil, nil, ""
        direction.ahead, direction.ahead_length = {}, 0
        if not direction.next then
            direction.next = 0
        end
    end
    for _, segment in ipairs(connection.history) do
        process(connection, segment)
    end
end

---------------------------------------------------------------------------------------------------------------
-- Which variant is it?

-- How a stream reads in a format: whole (it ends with a frame), pending, or false where it breaks; how many
-- whole frames there are, and how many bytes they are.
local function fits(data, length_of)
    local at, count = 0, 0
    while at < #data do
        if data:byte(at + 1) ~= 1 then
            return false, count, at
        elseif #data - at < HEADER_LENGTH then
            return "pending", count, at
        end
        local length = length_of(number_at(data, at + 2), number_at(data, at + 6))
        if length > HEADER_LENGTH + netlab_v3.prefs.max_size then
            return false, count, at
        elseif #data - at < length then
            return "pending", count, at
        end
        at, count = at + length, count + 1
    end
    return "whole", count, at
end

local READ_AS = {
    v2 = function()
        return FIXED_LENGTH
    end,
    guide = function(_, second)
        return HEADER_LENGTH + second
    end,
    scripts = function(first)
        return HEADER_LENGTH + first
    end,
}

-- The variant of a client's first bytes, nil where more of them are needed.
local function variant_of(data, ended)
    if #data == 0 then
        return nil
    elseif data:byte(1) ~= 1 then
        return "text"
    elseif #data < HEADER_LENGTH then
        return ended and "v3" or nil
    end
    local guide, guide_frames, guide_end = fits(data, READ_AS.guide)
    local scripts, scripts_frames = fits(data, READ_AS.scripts)
    if number_at(data, 6) ~= 1 then
        scripts, scripts_frames = false, 0 -- its first order would not be 1 (V6)
    end
    local fixed, fixed_frames = fits(data, READ_AS.v2)
    if guide == "whole" or scripts == "whole" then
        return "v3"
    elseif fixed_frames == 0 and (guide and guide_frames > 0 or scripts and scripts_frames > 0) then
        return "v3" -- a frame came whole, and behind it the next one begins
    elseif fixed == "whole" then
        return "v2"
    elseif not (guide or scripts) then
        -- It breaks in v3: is it v2, or is it v3 of somebody who gets it wrong? Behind a text v2 has its padding.
        if fixed_frames > 0 then
            return "v2"
        elseif guide_frames > 0 and not data:sub(guide_end + 1):find("^[-\0 ]+$") then
            return "v3"
        elseif fixed and not ended then
            return nil
        end
        return fixed and guide_frames > 0 and "v2" or "v3"
    elseif not fixed or ended or #data > HISTORY_BYTES then
        return "v3"
    end
    return nil
end

local function bytes_of(connection, forth)
    local direction = forth and connection.forth or connection.back
    local parts, next_at = {}, direction.began_at or 0
    local progress = true
    while progress do
        progress = false
        for _, segment in ipairs(connection.history) do
            if segment.forth == forth and segment.at <= next_at and segment.at + #segment.data > next_at then
                parts[#parts + 1] = segment.data:sub(next_at - segment.at + 1)
                next_at = segment.at + #segment.data
                progress = true
            end
        end
    end
    return table.concat(parts)
end

-- The variant of a connection that was said to be the laboratory's.
local function guessed(connection)
    local forced = VARIANTS[netlab.prefs.variant]
    if forced then
        return forced
    end
    local sent, answer = bytes_of(connection, true), bytes_of(connection, false)
    if answer:sub(1, #PREFIX) == PREFIX then
        return "text"
    elseif #sent == 0 then
        -- Only the server's side is there.
        return variant_of(answer, connection.full)
    end
    return variant_of(sent, connection.full)
end

local function text_of(data, at, variant, layout)
    local first, second = number_at(data, at + 2), number_at(data, at + 6)
    if variant == "v2" then
        local shown = data:sub(at + 10, at + FIXED_LENGTH)
        shown = shown:sub(1, complete_length(shown))
        local _, _, read = printable(shown, second)
        return shown:sub(1, read)
    end
    return data:sub(at + 10, at + HEADER_LENGTH + (layout == "scripts" and first or second))
end

-- Do these bytes, the first of a connection, begin a frame of v3 that is too long for one segment? Its header
-- has eight bytes that are nearly certain, and its text is a text.
local function begins_plainly(data, layout)
    local first, second = number_at(data, 2), number_at(data, 6)
    local order = layout == "scripts" and second or first
    local text = data:sub(HEADER_LENGTH + 1)
    return order == 1 and #text >= PLAIN_BYTES and is_plain_text(text:sub(1, complete_length(text)))
end

-- Do these bytes begin with frames that cannot be anything else's? Their orders count up, from 1 where the
-- stream's first byte is known, and their texts are texts.
local function are_frames(data, variant, layout, from_start)
    local state, count = fits(data, READ_AS[layout or variant])
    if not state then
        return false
    elseif count == 0 then
        return from_start and layout ~= nil and begins_plainly(data, layout)
    end
    local at, expected = 0, from_start and 1 or nil
    for _ = 1, math.min(count, 8) do
        local first, second = number_at(data, at + 2), number_at(data, at + 6)
        local order, size = first, second
        if layout == "scripts" then
            order, size = second, first
        end
        if (expected and order ~= expected) or (variant == "v2" and size > 4096) then
            return false
        elseif not is_plain_text(text_of(data, at, variant, layout)) then
            return false
        end
        expected = following(order)
        at = at + READ_AS[layout or variant](first, second)
    end
    local first_size = layout == "scripts" and number_at(data, 2) or number_at(data, 6)
    return count > 1 or (from_start and first_size > 0)
end

-- The variant of a connection on any port, nil where it is not plainly one of the laboratory's. Conservative:
-- better to miss one of ours than to claim another's.
local function recognised(connection)
    local sent, answer = bytes_of(connection, true), bytes_of(connection, false)
    if #sent == 0 then
        return nil
    elseif answer:sub(1, #PREFIX) == PREFIX and #answer > #PREFIX then
        local matcher = new_matcher(0)
        matcher.sent = sent
        match(matcher, answer, 0)
        return #matcher.ways > 0 and "text" or nil
    elseif sent:byte(1) ~= 1 or #sent < HEADER_LENGTH then
        return nil
    end
    local from_start = connection.forth.from_start
    for _, way in ipairs({ { "v3", "guide" }, { "v3", "scripts" }, { "v2" } }) do
        if are_frames(sent, way[1], way[2], from_start) then
            return way[1]
        end
    end
    return nil
end

---------------------------------------------------------------------------------------------------------------
-- Feeding the model

local function new_connection(segment, client)
    local connection = { client = client, forth = new_direction("forth"), back = new_direction("back"), history = {} }
    connection.kept = 0
    model.connections[key_of(segment.from, segment.to)] = connection
    return connection
end

-- Where a sequence number stands in its direction; positions grow beyond 2^32.
local function position(direction, sequence)
    local near = direction.next or 0
    local distance = (sequence - direction.base - near) % 4294967296
    if distance >= 2147483648 then
        distance = distance - 4294967296
    end
    return near + distance
end

local function connection_of(segment)
    local connection = model.connections[key_of(segment.from, segment.to)]
    if segment.syn and not segment.has_ack then
        if not connection or connection.client ~= segment.from or connection.forth.base ~= (segment.sequence + 1) % 4294967296 then
            connection = new_connection(segment, segment.from)
        end
    elseif segment.syn and (not connection or (connection.back.base and connection.client == segment.to
        and connection.back.base ~= (segment.sequence + 1) % 4294967296)) then
        connection = new_connection(segment, segment.to)
    end
    return connection or new_connection(segment, client_by_port(segment))
end

-- Decide, if it can be decided, what a connection is; then read what was kept of it.
local function settle(connection)
    local variant
    if connection.claim == "auto" then
        variant = guessed(connection)
    elseif connection.claim then
        variant = connection.claim
    elseif not connection.foreign then
        variant = recognised(connection)
    end
    if variant then
        replay(connection, variant)
        -- Frames of 29 bytes with 20 bytes of text are the same in v2 and v3: the history is kept until the
        -- two part.
        connection.maybe_v2 = connection.first_length == FIXED_LENGTH
            and variant == "v3"
            and connection.claim == "auto"
            and not VARIANTS[netlab.prefs.variant]
        if not connection.maybe_v2 then
            connection.history = {}
        end
        return true
    end
    return false
end

-- Frames that were taken for v3 and break there: they may have been v2 from the first on.
local function reconsider(connection)
    if not connection.maybe_v2 then
        return
    end
    if connection.forth.cutter and connection.forth.cutter.violation then
        local state, count = fits(bytes_of(connection, true), READ_AS.v2)
        connection.maybe_v2 = false
        if state and count > 0 then
            replay(connection, "v2")
        end
    end
    if not connection.maybe_v2 or connection.kept > HISTORY_BYTES or #connection.history > HISTORY_SEGMENTS then
        connection.maybe_v2, connection.history = false, {}
    end
end

-- One TCP segment, once. claim: the variant that Decode As asks for, `auto` on our own port, nil elsewhere.
local function submit(segment, claim)
    model.last, model.now = segment.number, segment.time
    local connection = connection_of(segment)
    segment.forth = segment.from == connection.client
    local direction = segment.forth and connection.forth or connection.back
    local other = segment.forth and connection.back or connection.forth
    if not connection.variant then
        connection.claim = connection.claim or claim
        if claim then
            connection.foreign = false
        end
    end
    if segment.syn then
        if not direction.base then
            direction.base, direction.next, direction.began_at, direction.from_start =
                (segment.sequence + 1) % 4294967296, 0, 0, true
        end
        return nil
    elseif not direction.base then
        direction.base, direction.next, direction.began_at = segment.sequence, 0, 0
        if #segment.data > 0 and connection.variant and connection.variant ~= "text" then
            direction.lost, direction.expected = true, nil
        end
    end
    segment.at = position(direction, segment.sequence)
    if segment.has_ack and other.base then
        segment.ack = position(other, segment.acknowledged)
    end
    local interesting = #segment.data > 0 or segment.fin or segment.rst
    if connection.variant then
        if interesting or connection.forth.open or connection.back.open or other.ahead[1] then
            if connection.maybe_v2 and interesting then
                connection.history[#connection.history + 1] = segment
                connection.kept = connection.kept + #segment.data
            end
            process(connection, segment)
            reconsider(connection)
        end
    elseif interesting and not connection.foreign then
        direction.heard = direction.heard or direction.began_at
        segment.in_turn = segment.at <= direction.heard
        if segment.in_turn then
            direction.heard = math.max(direction.heard, segment.at + #segment.data)
        end
        connection.history[#connection.history + 1] = segment
        connection.kept = connection.kept + #segment.data
        connection.full = connection.kept > HISTORY_BYTES
            or #connection.history >= HISTORY_SEGMENTS
            or segment.fin
            or segment.rst
        local from = direction.began_at
        model.packets[segment.number] = {
            connection = connection,
            number = segment.number,
            time = segment.time,
            forth = segment.forth,
            start = segment.at,
            length = #segment.data,
            from = from,
            items = {},
            notes = {},
        }
        if not settle(connection) and connection.full and not connection.claim then
            connection.foreign, connection.history = true, {}
        end
    end
    return model.packets[segment.number]
end

local tcp_sequence, tcp_sequence_shown = Field.new("tcp.seq_raw"), Field.new("tcp.seq")
local tcp_acknowledged, tcp_flags, tcp_length = Field.new("tcp.ack_raw"), Field.new("tcp.flags"), Field.new("tcp.len")
local tcp_payload, udp_length = Field.new("tcp.payload"), Field.new("udp.length")
local icmp_type, icmp6_type = Field.new("icmp.type"), Field.new("icmpv6.type")

-- Of a field that occurs more than once, in a tunnel, the last is the one that counts.
local function last_of(extract)
    local found = { extract() }
    return found[#found]
end

local function bit(flags, value)
    return math.floor(flags / value) % 2 == 1
end

local function segment_of(pinfo, sequence, acknowledged, flags, data, length)
    return {
        number = pinfo.number,
        time = pinfo.rel_ts,
        from = ("%s %d"):format(tostring(pinfo.net_src), pinfo.src_port),
        to = ("%s %d"):format(tostring(pinfo.net_dst), pinfo.dst_port),
        from_port = pinfo.src_port,
        to_port = pinfo.dst_port,
        sequence = sequence,
        acknowledged = acknowledged,
        fin = bit(flags, 1),
        syn = bit(flags, 2),
        rst = bit(flags, 4),
        has_ack = bit(flags, 16),
        data = data,
        cut = length > #data and length - #data or nil,
    }
end

-- The segment of the packet that is being dissected, from the fields that TCP has already found. In the first
-- of tshark's two passes (-2) there are none.
local function segment_by_fields(pinfo)
    local sequence, flags, length = last_of(tcp_sequence) or last_of(tcp_sequence_shown), last_of(tcp_flags), last_of(tcp_length)
    if not sequence or not flags or not length or last_of(icmp_type) or last_of(icmp6_type) then
        return nil
    end
    local acknowledged, payload, data = last_of(tcp_acknowledged), last_of(tcp_payload), ""
    if length.value > 0 and payload then
        data = payload.range:raw()
    end
    return segment_of(pinfo, sequence.value, acknowledged and acknowledged.value or 0, flags.value, data, length.value)
end

-- The same from the packet's bytes: the first place that looks like the IP header of these two ports.
local function segment_by_bytes(tvb, pinfo)
    local head = tvb:raw(0, math.min(tvb:len(), 256))
    for at = 1, #head - 39 do
        local first = head:byte(at)
        local tcp_at, end_at
        if first >= 0x45 and first <= 0x4F and head:byte(at + 9) == 6 then
            tcp_at = at + (first - 0x40) * 4
            end_at = at + head:byte(at + 2) * 256 + head:byte(at + 3)
        elseif first >= 0x60 and first <= 0x6F and head:byte(at + 6) == 6 then
            tcp_at = at + 40
            end_at = tcp_at + head:byte(at + 4) * 256 + head:byte(at + 5)
        end
        if tcp_at and tcp_at + 19 <= #head
            and head:byte(tcp_at) * 256 + head:byte(tcp_at + 1) == pinfo.src_port
            and head:byte(tcp_at + 2) * 256 + head:byte(tcp_at + 3) == pinfo.dst_port
        then
            local data_at = tcp_at + math.floor(head:byte(tcp_at + 12) / 16) * 4
            local length = end_at - data_at
            if end_at - at == 0 or length < 0 then
                return nil -- offloaded to the network card, or no header at all
            end
            local there = math.max(0, math.min(length, tvb:len() - (data_at - 1)))
            local data = there > 0 and tvb:raw(data_at - 1, there) or ""
            return segment_of(pinfo, number_at(head, tcp_at + 4), number_at(head, tcp_at + 8), head:byte(tcp_at + 13), data, length)
        end
    end
    return nil
end

---------------------------------------------------------------------------------------------------------------
-- UDP: a datagram is a message, an echo the same bytes (U1-U3, E4)

local function datagram_conversation(pinfo)
    local from = ("%s %d"):format(tostring(pinfo.net_src), pinfo.src_port)
    local to = ("%s %d"):format(tostring(pinfo.net_dst), pinfo.dst_port)
    local key = key_of(from, to)
    local conversation = model.datagrams[key]
    if not conversation then
        local client = from
        if pinfo.src_port == PORT and pinfo.dst_port ~= PORT then
            client = to
        end
        conversation = { client = client, waiting = new_waiting(), history = {} }
        model.datagrams[key] = conversation
    end
    return conversation, from
end

local function take_datagram(conversation, item)
    model.packets[item.number] = item
    local waiting = conversation.waiting
    if item.forth then
        return await(waiting, item)
    end
    local request = answered(waiting, function(one)
        return one.sent == item.bytes
    end)
    if request then
        waiting.echoes = waiting.echoes + 1
        conversation.answered_until = math.max(conversation.answered_until or 0, request.number)
        waiting.answered[item.bytes] = #item.bytes < 2048 and request or nil
        pair(request, item)
    elseif waiting.answered[item.bytes] then
        item.echo_of, item.echo_word = waiting.answered[item.bytes].number, "doubled-echo"
    elseif #waiting.list > 0 then
        item.echo_word = "stray-echo"
    end
end

local function datagram_of(tvb, pinfo, conversation, from)
    return {
        kind = "text",
        variant = "udp",
        number = pinfo.number,
        time = pinfo.rel_ts,
        forth = from == conversation.client,
        bytes = tvb:len() > 0 and tvb:raw() or "",
        conversation = conversation,
        late = pinfo.visited, -- the first of two passes shows no empty one: what answers it comes after this
    }
end

---------------------------------------------------------------------------------------------------------------
-- Showing it

local TITLES = { udp = "Socket laboratory UDP", text = "Socket laboratory TCP", v2 = "Socket laboratory v2", v3 = "Socket laboratory v3" }
local PROTOCOL = { udp = "NETLAB-UDP", text = "NETLAB-TCP", v2 = "NETLAB-V2", v3 = "NETLAB-V3" }
local PROTOS = { udp = netlab, text = netlab, v2 = netlab_v2, v3 = netlab_v3 }
-- `netlab.variant` has the transports' names for the two variants of text.
local VARIANT_NAMES = { udp = "udp", text = "tcp", v2 = "v2", v3 = "v3" }

-- A part of the Info column. The first takes the place of what TCP wrote; a remark, which is about no bytes of
-- this packet, is put behind it.
local function in_column(pinfo, variant, text, is_remark)
    if is_remark then
        pinfo.cols.info:append((" [%s]"):format(text))
        return
    end
    model.columns = model.columns + 1
    if model.columns == SHOWN_FRAMES + 1 then
        text = "…"
    elseif model.columns > SHOWN_FRAMES then
        return
    end
    if model.columns == 1 then
        pinfo.cols.protocol:set(PROTOCOL[variant])
        pinfo.cols.info:set(text)
    else
        pinfo.cols.info:append("; " .. text)
    end
end

local function arrow(forth)
    return forth and "→" or "←"
end

local function add_place(subtree, pf, at)
    subtree:add(pf, UInt64.new(at % 4294967296, math.floor(at / 4294967296))):set_generated()
end

local function add_sender(subtree, item)
    subtree:add(field.sender, item.forth and "client" or "server"):set_generated()
end

local function add_word(tree, pf, word, sentence)
    tree:add(pf, word):set_generated()
    tree:add_proto_expert_info(experts[word], sentence)
end

local function add_tree(tree, range, item, title)
    local subtree = range and tree:add(PROTOS[item.variant], range, title) or tree:add(PROTOS[item.variant], title)
    if PROTOS[item.variant] ~= netlab then
        subtree:add(netlab):set_hidden() -- so that the filter `netlab` finds all variants
    end
    subtree:add(field.variant, VARIANT_NAMES[item.variant]):set_generated()
    return subtree
end

local function seconds(time)
    local whole = math.floor(time)
    return NSTime.new(whole, math.floor((time - whole) * 1e9 + 0.5))
end

local function add_echo(subtree, pinfo, item, missing)
    if item.echo_of then
        subtree:add(field.echo_of, item.echo_of):set_generated()
    end
    if item.echo_in then
        subtree:add(field.echo_in, item.echo_in):set_generated()
    end
    if item.echo_time and not item.forth then
        subtree:add(field.echo_time, seconds(item.echo_time)):set_generated()
    end
    local word = item.echo_word
    if word == "wrong-echo" then
        add_word(subtree, field.note, word, "wrong-echo: this answer is not, byte for byte, what was sent")
    elseif word == "doubled-echo" then
        add_word(subtree, field.note, word, "doubled-echo: this message has been echoed before")
    elseif word == "stray-echo" then
        add_word(subtree, field.note, word, "stray-echo: no message that was sent has such an echo")
    elseif missing and pinfo.visited then
        add_word(subtree, field.note, "missing-echo", "missing-echo: no echo of this message came")
    end
    return word
end

local ORDER_TEXTS = {
    ["order-zero"] = "order-zero: the order is 0, and %s was due",
    ["order-repeat"] = "order-repeat: the message before had the order %d, too; %s was due",
    ["order-jump"] = "order-jump: the order is %d, and %s was due",
}

local function add_text_field(subtree, pf, range, data)
    if #data == 0 then
        subtree:add(pf, "")
    elseif data:find("\0", 1, true) then
        -- Wireshark would end the text at the NUL.
        subtree:add(pf, range, message_of(data))
    else
        subtree:add_packet_field(pf, range, ENC_UTF_8 + ENC_NA)
    end
end

-- A frame of v2 or v3, whose bytes are tvb(at, item.length).
local function show_frame(tvb, at, pinfo, tree, item)
    local connection = item.connection
    local fields = item.variant == "v2" and v2 or v3
    local text_at, text_length, padding = at + HEADER_LENGTH, item.size, 0
    local data, characters
    if item.variant == "v2" then
        local raw = tvb:raw(text_at, FIELD_LENGTH)
        local complete = raw:sub(1, complete_length(raw))
        local _
        _, characters, text_length = printable(complete, item.size)
        padding = FIELD_LENGTH - text_length
    end
    data = text_length > 0 and tvb:raw(text_at, math.min(text_length, DECODED_BYTES + 1)) or ""
    local title = shortened(data)
    local subtree = add_tree(tree, tvb:range(at, item.length), item,
        ("%s, order %d: %s"):format(TITLES[item.variant], item.order, title))
    subtree:add(fields.version, tvb:range(at, 1))
    local numbers = { { fields.order, at + 1 }, { fields.size, at + 5 } }
    if item.layout == "scripts" then
        numbers = { { fields.size, at + 1 }, { fields.order, at + 5 } }
    end
    local order_item
    for _, number in ipairs(numbers) do
        local added = subtree:add(number[1], tvb:range(number[2], 4))
        if number[1] == fields.order then
            order_item = added
        end
    end
    add_text_field(subtree, fields.text, text_length > 0 and tvb:range(text_at, text_length), data)
    if padding > 0 then
        subtree:add(v2.padding, tvb:range(text_at + text_length, padding))
    end
    subtree:add(field.message, message_of(data)):set_generated()
    add_sender(subtree, item)
    add_place(subtree, field.start, item.start)
    if item.layout then
        subtree:add(v3.layout, item.layout):set_generated()
    end
    local words = {}
    if item.order_word then
        words[1] = item.order_word
        local due = ("%d"):format(item.order_due)
        local form = ORDER_TEXTS[item.order_word]
        add_word(order_item, field.note, item.order_word,
            item.order_word == "order-zero" and form:format(due) or form:format(item.order, due))
    end
    if item.variant == "v2" and item.size > characters then
        words[#words + 1] = "text-cut"
        add_word(subtree, field.note, "text-cut",
            ("text-cut: %d characters were typed, and %d of them arrived: the field has 20 bytes"):format(item.size, characters))
    end
    if item.other_fits then
        words[#words + 1] = "other-layout"
        add_word(subtree, field.note, "other-layout",
            ("other-layout: read as %s this header would have the order that is due; try the preference Layout: %s (netlab_v3.layout)"):format(
                FIELDS_OF_LAYOUT[other_of(item.layout)], other_of(item.layout)))
    end
    words[#words + 1] = add_echo(subtree, pinfo, item, item.forth and connection.missing and not item.echo_in)
    in_column(pinfo, item.variant, ("%s %s order %d, size %d: %s%s"):format(item.variant, arrow(item.forth), item.order,
        item.size, title, #words > 0 and " (" .. table.concat(words, ", ") .. ")" or ""))
end

-- A message of text: a datagram, or what a segment of TCP holds. tvb(at, #item.bytes) are its bytes, tvb nil
-- where there are none.
local function show_text(tvb, at, pinfo, tree, item)
    local data = item.bytes
    local message = item.message or data
    local connection = item.connection
    local missing
    if connection then
        missing = connection.missing and item.forth and not item.echo_in and #data > 0
    else
        local conversation = item.conversation
        missing = item.forth and not item.echo_in and not item.late and conversation.waiting.echoes > 0
            and (item.number < (conversation.answered_until or 0) or model.now - item.time > ECHO_PATIENCE)
    end
    local range = tvb and #data > 0 and tvb:range(at, #data) or nil
    local title = shortened(message)
    local subtree = add_tree(tree, range, item, ("%s: %s"):format(TITLES[item.variant], title))
    local is_answer = false
    for _, piece in ipairs(item.pieces or { { false, 0, #data } }) do
        local part = piece[3] > 0 and tvb:range(at + piece[2], piece[3]) or nil
        local bytes = data:sub(piece[2] + 1, piece[2] + piece[3])
        if piece[1] then
            is_answer = true
            subtree:add(field.prefix, part, bytes)
        else
            add_text_field(subtree, field.text, part, bytes)
        end
    end
    subtree:add(field.message, message_of(message)):set_generated()
    add_sender(subtree, item)
    local word = add_echo(subtree, pinfo, item, missing)
    local column = ("%s %s %s%s%s"):format(VARIANT_NAMES[item.variant], arrow(item.forth), is_answer and PREFIX or "", title,
        word and " (" .. word .. ")" or "")
    in_column(pinfo, item.variant, column, #data == 0 and item.variant == "text")
end

local function show_violation(range, pinfo, tree, item)
    local subtree = add_tree(tree, range, item, ("%s, %s at byte %d of the %s's stream"):format(TITLES[item.variant],
        item.reason, item.start, item.forth and "client" or "server"))
    add_sender(subtree, item)
    add_place(subtree, field.offset, item.start)
    if item.layout then
        subtree:add(v3.layout, item.layout):set_generated()
    end
    add_word(subtree, field.reason, item.reason,
        ("%s at byte %d [%s]: %s; %s"):format(item.reason, item.start, in_hex(item.head), item.detail, item.advice))
    if item.hint then
        subtree:add(v3.hint, item.hint):set_generated()
        add_word(subtree, field.note, "other-layout",
            ("other-layout: the layout %s would fit; choose it in the preference Layout (netlab_v3.layout)"):format(item.hint))
    end
    if range then
        model.columns = math.min(model.columns, SHOWN_FRAMES - 1) -- this one is always shown
        in_column(pinfo, item.variant, ("%s %s %s at byte %d"):format(item.variant, arrow(item.forth), item.reason, item.start))
    else
        in_column(pinfo, item.variant, ("%s at byte %d"):format(item.reason, item.start), true)
    end
end

local function show_decided(pinfo, tree, item)
    local subtree = add_tree(tree, nil, item, ("%s, layout found: %s (%s)"):format(TITLES.v3, item.layout, FIELDS_OF_LAYOUT[item.layout]))
    subtree:add(v3.decided, item.layout):set_generated()
end

-- Show an item whose bytes are tvb(at, ...), and remember that it has been shown.
local function show(tvb, at, pinfo, tree, item)
    model.shown[item] = true
    if item.kind == "frame" then
        show_frame(tvb, at, pinfo, tree, item)
        if not pinfo.visited then
            drop(item)
        end
    elseif item.kind == "text" then
        show_text(tvb, at, pinfo, tree, item)
    elseif item.kind == "violation" then
        show_violation(tvb and at < tvb:len() and tvb:range(at) or nil, pinfo, tree, item)
    else
        show_decided(pinfo, tree, item)
    end
end

-- Show an item whose bytes TCP did not hand over, or has not handed over in one piece.
local function show_copy(pinfo, tree, item)
    if item.kind == "frame" and not item.bytes then
        model.shown[item] = true
        return
    end
    local bytes = item.kind ~= "violation" and item.kind ~= "decided" and item.bytes or ""
    if #bytes == 0 then
        return show(nil, 0, pinfo, tree, item)
    end
    local visited = pinfo.visited
    local tvb = ByteArray.new(bytes, true):tvb("A frame of the socket laboratory")
    model.shown[item] = true
    if item.kind == "frame" then
        show_frame(tvb, 0, pinfo, tree, item)
    else
        show_text(tvb, 0, pinfo, tree, item)
    end
    if not visited and model.copied > COPIED_BYTES then
        drop(item)
    end
end

local function show_bytes(pf, title, range, pinfo, tree, record)
    local item = { variant = record.connection.variant }
    local subtree = add_tree(tree, range, item, ("%s: %s"):format(TITLES[item.variant], title))
    subtree:add(pf, range)
    in_column(pinfo, item.variant, ("%s %s %s"):format(item.variant, arrow(record.forth), title))
end

---------------------------------------------------------------------------------------------------------------
-- TCP

-- The length of the frame or the rest that begins at `at` of the stream, 0 where more segments are needed to
-- know it. left: how many bytes of this packet there are from `at` on.
local function length_at(record, at, left)
    for _, item in ipairs(record.items) do
        if item.kind == "frame" and item.forth == record.forth then
            if item.start == at then
                -- What came before its turn will not come again: TCP must not wait for it.
                return record.took_ahead and math.min(left, item.length) or item.length
            elseif item.start < at and item.start + item.length > at then
                return math.min(left, item.start + item.length - at) -- its beginning came before we were asked
            end
        elseif item.kind == "violation" and item.forth == record.forth and item.start <= at then
            return left
        end
    end
    local pending = record.pending
    if pending and pending.open.start == at then
        return pending.need > pending.have and pending.need >= HEADER_LENGTH and pending.have >= HEADER_LENGTH and pending.need or 0
    end
    if record.connection.variant == nil then
        return 0
    end
    return left
end

-- Is the frame that the model knows really in this buffer?
local function holds(tvb, at, item)
    if at < 0 or at + item.length > tvb:len() or tvb:range(at, 1):uint() ~= 1 then
        return false
    end
    local first, second = tvb:range(at + 1, 4):uint(), tvb:range(at + 5, 4):uint()
    if item.layout == "scripts" then
        first, second = second, first
    end
    return first == item.order and second == item.size
end

local function show_at(tvb, pinfo, tree, record, at)
    for _, item in ipairs(record.items) do
        if item.forth == record.forth and not model.shown[item] then
            if item.kind == "decided" and item.start <= at then
                show(nil, 0, pinfo, tree, item)
            elseif item.start < at and item.kind == "frame" then
                show_copy(pinfo, tree, item) -- its beginning was in a segment that TCP did not join
            elseif item.start == at and item.kind == "frame" and holds(tvb, 0, item) then
                return show(tvb, 0, pinfo, tree, item)
            elseif item.start == at and item.kind == "violation" then
                return show(tvb, 0, pinfo, tree, item)
            end
        end
    end
    if record.discarded then
        show_bytes(field.discarded, ("%d bytes after a violation, discarded"):format(tvb:len()), tvb:range(), pinfo, tree, record)
    elseif record.unread then
        show_bytes(field.unread, ("%d bytes from the middle of a frame whose beginning is not in the capture"):format(tvb:len()),
            tvb:range(), pinfo, tree, record)
    end
end

-- In the first of two passes there is no segment to look at, and nobody looks at what is shown: only TCP must
-- learn where the frames end. A buffer always begins where a frame does.
local function measure(tvb, pinfo, tree, claim)
    local connection = model.connections[key_of(
        ("%s %d"):format(tostring(pinfo.net_src), pinfo.src_port),
        ("%s %d"):format(tostring(pinfo.net_dst), pinfo.dst_port)
    )]
    local data = tvb:raw()
    local variant = connection and connection.variant
    if not variant and claim == "auto" then
        variant = VARIANTS[netlab.prefs.variant] or variant_of(data, false)
    elseif not variant then
        variant = claim
    end
    if variant == "text" then
        return
    end
    local items, need, start = {}, 0, 0
    if variant then
        local direction
        if connection then
            direction = connection.client == ("%s %d"):format(tostring(pinfo.net_src), pinfo.src_port) and connection.forth
                or connection.back
        end
        local known = direction and direction.cutter
        if known and known.violation then
            return
        end
        local cutter = new_cutter(variant, known and known.at or 0, known and known.expected or 1,
            told_layout(connection, direction))
        cutter.layout, cutter.fork = known and known.layout, known and known.fork
        start = cutter.at
        feed(cutter, data, items)
        need = cutter.held_length >= HEADER_LENGTH and cutter.need or 0
    end
    local ends = {}
    for _, item in ipairs(items) do
        ends[item.start - start] = item.kind == "frame" and item.length or item.kind == "violation" and #data or nil
    end
    dissect_tcp_pdus(tvb, tree, 1, function(_, info, offset)
        local length = ends[offset] and math.min(ends[offset], #data - offset) or need
        return length == 0 and info.can_desegment == 0 and #data - offset or length
    end, function() end)
end

local function show_stream_text(tvb, pinfo, tree, record)
    for _, item in ipairs(record.items) do
        local at = tvb:len() - record.length + item.start - record.start
        if item.forth == record.forth and item.length > 0 and not model.shown[item] and at >= 0 and at + item.length <= tvb:len() then
            show(tvb, at, pinfo, tree, item)
        end
    end
end

-- Where in the stream a buffer of TCP's begins, nil where it is not what the model knows. What was joined begins
-- at offset 0 of a buffer of its own, mostly with the frame that was pending; a segment has its headers in front,
-- and its end is where the buffer ends.
local function start_of(tvb, record)
    local by_end = record.start + record.length - tvb:len()
    if tvb:offset() > 0 then
        return by_end
    end
    for _, start in ipairs({ record.from, by_end }) do
        for _, item in ipairs(record.items) do
            if item.forth == record.forth and item.start >= start then
                local at = item.start - start
                if item.kind == "frame" and holds(tvb, at, item) then
                    return start
                elseif item.kind == "violation" and at + #item.head <= tvb:len() and tvb:raw(at, #item.head) == item.head then
                    return start
                end
            end
        end
    end
    if #record.items == 0 then
        return record.from
    end
    return nil
end

-- TCP's payload, or several segments of it that TCP has joined.
local function dissect_tcp(tvb, pinfo, tree, claim)
    local record = model.packets[pinfo.number]
    if not record and pinfo.number > model.last then
        local segment = segment_by_fields(pinfo)
        record = segment and submit(segment, claim)
    end
    if not record or not record.connection then
        if not pinfo.visited then
            model.claims[pinfo.number] = claim
            measure(tvb, pinfo, tree, claim)
        end
        return tvb:len()
    elseif record.connection.variant == "text" then
        show_stream_text(tvb, pinfo, tree, record)
        return tvb:len()
    elseif record.ahead or record.repeated then
        return tvb:len() -- the postdissector says so
    end
    local start = start_of(tvb, record)
    if not start then
        return tvb:len() -- the postdissector shows copies
    end
    local at = start
    dissect_tcp_pdus(tvb, tree, 1, function(buffer, info, offset)
        at = start + offset
        local left = buffer:len() - offset
        local length = length_at(record, at, left)
        if info.can_desegment == 0 and (length == 0 or length > left) then
            return left -- TCP was told to join no segments
        end
        return length
    end, function(buffer, info, root)
        show_at(buffer, info, root, record, at)
        return buffer:len()
    end)
    return tvb:len()
end

function netlab_v2.dissector(tvb, pinfo, tree)
    return dissect_tcp(tvb, pinfo, tree, "v2")
end

function netlab_v3.dissector(tvb, pinfo, tree)
    return dissect_tcp(tvb, pinfo, tree, "v3")
end

---------------------------------------------------------------------------------------------------------------
-- UDP

local function dissect_udp(tvb, pinfo, tree)
    local item = model.packets[pinfo.number]
    if not item then
        local conversation, from = datagram_conversation(pinfo)
        conversation.ours = true
        item = datagram_of(tvb, pinfo, conversation, from)
        model.now = pinfo.rel_ts
        take_datagram(conversation, item)
    end
    if item.kind == "text" then
        show(tvb, 0, pinfo, tree, item)
        model.columns, model.shown = 0, {}
    end
    return tvb:len()
end

-- A datagram of no bytes is a message, too (U1), but UDP hands over none that is empty.
local function dissect_empty_datagram(tvb, pinfo, tree)
    local length = last_of(udp_length)
    if length and length.value == 8 and not last_of(icmp_type) and not last_of(icmp6_type) then
        local ours = pinfo.src_port == PORT or pinfo.dst_port == PORT
        if not ours then
            ours = model.packets[pinfo.number] or datagram_conversation(pinfo).ours
        end
        if ours then
            dissect_udp(tvb:range(tvb:len(), 0):tvb(), pinfo, tree)
        end
    end
end

function netlab.dissector(tvb, pinfo, tree)
    if pinfo.port_type == 3 then
        return dissect_udp(tvb, pinfo, tree)
    end
    return dissect_tcp(tvb, pinfo, tree, "auto")
end

---------------------------------------------------------------------------------------------------------------
-- Any port

local function try_tcp(tvb, pinfo, tree)
    model.heuristic_at = pinfo.number
    local record = model.packets[pinfo.number]
    if not record and pinfo.number > model.last then
        local segment = segment_by_fields(pinfo)
        record = segment and submit(segment, nil)
    end
    local variant = record and record.connection and record.connection.variant
    if not variant then
        return false
    end
    pinfo.conversation = PROTOS[variant]
    dissect_tcp(tvb, pinfo, tree, variant)
    return true
end

local function try_udp(tvb, pinfo, tree)
    if tvb:len() == 0 then
        return false
    end
    local item = model.packets[pinfo.number]
    if not item then
        local conversation, from = datagram_conversation(pinfo)
        if not conversation.ours then
            local datagram = datagram_of(tvb, pinfo, conversation, from)
            if not is_plain_text(datagram.bytes) or #conversation.history > HISTORY_SEGMENTS then
                conversation.history = {}
                return false
            end
            local history = conversation.history
            for _, earlier in ipairs(history) do
                conversation.ours = conversation.ours or (earlier.forth ~= datagram.forth and earlier.bytes == datagram.bytes)
            end
            if not conversation.ours then
                history[#history + 1] = datagram
                return false
            end
            for _, earlier in ipairs(history) do
                take_datagram(conversation, earlier)
            end
            conversation.history = {}
        end
    end
    pinfo.conversation = netlab
    dissect_udp(tvb, pinfo, tree)
    return true
end

---------------------------------------------------------------------------------------------------------------
-- What is no byte of any segment

local function show_pending(pinfo, tree, record)
    local pending = record.pending
    local item = { variant = record.connection.variant }
    local text = ("%d of %s%d bytes of a frame"):format(pending.have, pending.have < HEADER_LENGTH and item.variant == "v3" and "at least " or "", pending.need)
    local subtree = add_tree(tree, nil, item, ("%s: %s"):format(TITLES[item.variant], text))
    subtree:set_generated()
    local open = pending.open
    if pinfo.visited and open.number == record.number and (not open.became or open.became.kind == "violation") then
        local why = "the capture ends before its last byte"
        if open.became then
            why = ("%s, see frame %d"):format(open.became.reason, open.became.number)
        elseif open.was_reset then
            why = ("a reset came, see frame %d"):format(open.was_reset)
        end
        add_word(subtree, field.note, "unfinished", ("unfinished: the frame that begins at byte %d of the stream did not become whole: %s"):format(open.start, why))
    end
    in_column(pinfo, item.variant, text, true)
end

local function show_rest(pinfo, tree, record)
    for _, item in ipairs(record.items) do
        if not model.shown[item] then
            show_copy(pinfo, tree, item)
        end
    end
    local item = { variant = record.connection.variant }
    for _, entry in ipairs(record.notes) do
        local subtree = add_tree(tree, nil, item, ("%s: %s"):format(TITLES[item.variant], entry[1]))
        add_word(subtree, field.note, entry[1], entry[2])
        in_column(pinfo, item.variant, entry[1], true)
    end
    if record.pending then
        show_pending(pinfo, tree, record)
    end
end

function netlab_streams.dissector(tvb, pinfo, tree)
    if pinfo.port_type == 3 then
        return dissect_empty_datagram(tvb, pinfo, tree)
    elseif pinfo.port_type ~= 2 then
        return
    end
    local number = pinfo.number
    if number > model.last and not model.packets[number] then
        local segment = segment_by_fields(pinfo) or segment_by_bytes(tvb, pinfo)
        local record = segment and submit(segment, model.claims[number])
        model.claims = {}
        local connection = record and record.connection
        if connection and not connection.claim then
            if connection.variant then
                pinfo.conversation = PROTOS[connection.variant]
            elseif record.length > 0 and model.heuristic_at ~= number and segment.in_turn then
                connection.foreign, connection.history = true, {} -- somebody else's
            end
        end
    end
    local record = model.packets[number]
    if record and record.connection then
        if record.connection.variant then
            show_rest(pinfo, tree, record)
        elseif record.connection.foreign then
            model.packets[number] = nil
        elseif record.connection.claim and record.length > 0 then
            local subtree = tree:add(netlab, "Socket laboratory: too few bytes yet to tell v2 from v3")
            subtree:set_generated()
        end
    end
    model.shown, model.columns = {}, 0
end

function netlab.init()
    reset_model()
end

reset_model()
DissectorTable.get("tcp.port"):add(PORT, netlab)
DissectorTable.get("udp.port"):add(PORT, netlab)
for _, proto in ipairs({ netlab_v2, netlab_v3 }) do
    DissectorTable.get("tcp.port"):add_for_decode_as(proto)
end
netlab:register_heuristic("tcp", try_tcp)
netlab:register_heuristic("udp", try_udp)
register_postdissector(netlab_streams)
