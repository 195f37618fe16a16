import assert from 'node:assert/strict';
import { test } from 'node:test';
import { elements, first, parse, serialize, text, xml, XmlError } from '../src/signalling/xml';

test('what is written is read again', () => {
  const stanza = xml('message', { to: 'a@b/c', type: 'chat', gone: undefined }, xml('body', null, `<&>"' عربي 😀`));
  const again = parse(serialize(stanza));
  assert.equal(again.attrs['type'], 'chat');
  assert.equal('gone' in again.attrs, false);
  assert.equal(text(first(again, 'body')), `<&>"' عربي 😀`);
});

test('namespaces: defaults are inherited, prefixes resolved', () => {
  const root = parse("<a xmlns='one' xmlns:p='two'><b/><p:c d='1'/><e xmlns='three'><f/></e></a>");
  assert.deepEqual(elements(root).map((e) => [e.name, e.ns]), [['b', 'one'], ['c', 'two'], ['e', 'three']]);
  assert.equal(first(first(root, 'e'), 'f')?.ns, 'three');
});

test('entities, character references and CDATA', () => {
  const root = parse('<?xml version="1.0"?> <a t="&#x41;&lt;">x &amp; &#1593;<![CDATA[<raw & text>]]></a>');
  assert.equal(root.attrs['t'], 'A<');
  assert.equal(text(root), 'x & ع<raw & text>');
});

test('what is not XML is refused', () => {
  const bad = [
    '', 'x', '<a>', '<a></b>', '<a b=1/>', '<a b="1" b="2"/>', '<a>&nope;</a>', '<a>& b</a>', '<p:a/>', '<a/><b/>',
    '<a b="<"/>', '<a b="1"c="2"/>', '</a>', '<a>&#0;</a>', '<a', '<a b', '<a b="', `${'<a>'.repeat(40)}${'</a>'.repeat(40)}`,
  ];
  for (const input of bad) assert.throws(() => parse(input), XmlError, input);
});

test('characters XML cannot hold are left out, pairs of surrogates kept', () => {
  assert.equal(serialize(xml('a', null, 'b\u0000\u001b\ud800c😀')), '<a>bc😀</a>');
});

test('an attribute called __proto__ is only an attribute', () => {
  const root = parse('<a __proto__="x"/>');
  assert.equal(root.attrs['__proto__'], 'x');
  assert.equal(({} as Record<string, unknown>)['x'], undefined);
});
