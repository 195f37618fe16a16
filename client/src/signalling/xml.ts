/* A small XML reader and writer for XMPP stanzas (RFC 6120 section 11: no comments, no DTD, no
 * processing instructions but the declaration). Depth, attributes and size are bounded. */

export type Node = Element | string;

export interface Element {
  /** Local name, without prefix. */
  readonly name: string;
  /** Namespace in force, '' when none is. */
  readonly ns: string;
  /** Attributes as written, `xmlns` included. */
  readonly attrs: Readonly<Record<string, string>>;
  readonly children: readonly Node[];
}

export class XmlError extends Error {}

const DEPTH_MAX = 32;
const ATTRIBUTES_MAX = 64;
const LENGTH_MAX = 4 * 1024 * 1024;

type Attributes = Record<string, string | number | boolean | null | undefined>;

/** Builds an element; attributes that are null or undefined and null children are left out. */
export function xml(name: string, attrs?: Attributes | null, ...children: (Node | null | undefined)[]): Element {
  const kept: Record<string, string> = {};
  for (const [key, value] of Object.entries(attrs ?? {})) {
    if (value !== null && value !== undefined) kept[key] = String(value);
  }
  return {
    name,
    ns: kept['xmlns'] ?? '',
    attrs: kept,
    children: children.filter((child): child is Node => child !== null && child !== undefined),
  };
}

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };

/* What XML 1.0 cannot hold at all (section 2.2): most controls, lone surrogates, U+FFFE and U+FFFF. */
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff\ud800-\udfff]/gu;

export function escapeXml(text: string): string {
  return text.replace(FORBIDDEN, '').replace(/[&<>"']/g, (c) => ESCAPES[c] ?? c);
}

export function serialize(node: Node): string {
  if (typeof node === 'string') return escapeXml(node);
  let out = `<${node.name}`;
  for (const [key, value] of Object.entries(node.attrs)) out += ` ${key}="${escapeXml(value)}"`;
  if (node.children.length === 0) return `${out}/>`;
  out += '>';
  for (const child of node.children) out += serialize(child);
  return `${out}</${node.name}>`;
}

export function elements(parent: Element, name?: string, ns?: string): Element[] {
  const found: Element[] = [];
  for (const child of parent.children) {
    if (typeof child === 'string') continue;
    if (name !== undefined && child.name !== name) continue;
    if (ns !== undefined && child.ns !== ns) continue;
    found.push(child);
  }
  return found;
}

export function first(parent: Element | undefined, name?: string, ns?: string): Element | undefined {
  if (!parent) return undefined;
  for (const child of parent.children) {
    if (typeof child === 'string') continue;
    if ((name === undefined || child.name === name) && (ns === undefined || child.ns === ns)) return child;
  }
  return undefined;
}

/** All text directly inside. */
export function text(element: Element | undefined): string {
  let out = '';
  for (const child of element?.children ?? []) if (typeof child === 'string') out += child;
  return out;
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decode(raw: string): string {
  if (!raw.includes('&')) return raw;
  return raw.replace(/&([^;&]{0,12})(;?)/g, (_, body: string, end: string) => {
    if (end !== ';') throw new XmlError('bare ampersand');
    const named = ENTITIES[body];
    if (named !== undefined) return named;
    const match = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(body);
    const code = match ? parseInt(match[1] ?? match[2] ?? '', match[1] ? 16 : 10) : NaN;
    if (!(code > 0 && code <= 0x10ffff)) throw new XmlError(`unknown entity &${body};`);
    return String.fromCodePoint(code);
  });
}

interface Open {
  raw: string;
  name: string;
  ns: string;
  attrs: Record<string, string>;
  scope: Record<string, string>;
  children: Node[];
}

const NAME = /[A-Za-z_\u0080-\uffff][-.\w:\u0080-\uffff]*/y;
const SPACE = /\s*/y;

class Reader {
  private at = 0;

  constructor(private readonly input: string) {}

  read(): Element {
    if (this.input.length > LENGTH_MAX) throw new XmlError('too long');
    this.skip(SPACE);
    if (this.input.startsWith('<?xml', this.at)) {
      this.at = this.find('?>') + 2;
      this.skip(SPACE);
    }
    const root = this.element();
    this.skip(SPACE);
    if (this.at !== this.input.length) throw new XmlError('something after the root element');
    return root;
  }

  private element(): Element {
    const stack: Open[] = [];
    for (;;) {
      const parent = stack[stack.length - 1];
      if (!parent || this.input[this.at] === '<') {
        if (this.input.startsWith('<![CDATA[', this.at)) {
          if (!parent) throw new XmlError('text outside the root element');
          const end = this.find(']]>');
          parent.children.push(this.input.slice(this.at + 9, end));
          this.at = end + 3;
          continue;
        }
        if (this.input.startsWith('</', this.at)) {
          const done = this.close(stack);
          if (done) return done;
          continue;
        }
        const { open, empty } = this.open(parent?.scope ?? { '': '' });
        if (empty && !parent) return this.finish(open);
        if (empty) parent?.children.push(this.finish(open));
        else stack.push(open);
        if (stack.length > DEPTH_MAX) throw new XmlError('too deep');
        continue;
      }
      const next = this.find('<');
      parent.children.push(decode(this.input.slice(this.at, next)));
      this.at = next;
    }
  }

  private close(stack: Open[]): Element | null {
    const end = this.find('>');
    const open = stack.pop();
    if (!open || this.input.slice(this.at + 2, end).trim() !== open.raw) throw new XmlError('tags do not match');
    this.at = end + 1;
    const element = this.finish(open);
    const parent = stack[stack.length - 1];
    if (!parent) return element;
    parent.children.push(element);
    return null;
  }

  private open(scope: Record<string, string>): { open: Open; empty: boolean } {
    if (this.input[this.at] !== '<') throw new XmlError('expected an element');
    this.at++;
    const raw = this.take(NAME, 'a name');
    const attrs: Record<string, string> = Object.create(null) as Record<string, string>;
    let count = 0;
    let own = scope;
    for (;;) {
      const before = this.at;
      this.skip(SPACE);
      const empty = this.input.startsWith('/>', this.at);
      if (empty || this.input[this.at] === '>') {
        this.at += empty ? 2 : 1;
        const colon = raw.indexOf(':');
        const prefix = colon < 0 ? '' : raw.slice(0, colon);
        const ns = own[prefix];
        if (ns === undefined) throw new XmlError(`prefix ${prefix} is not declared`);
        const name = raw.slice(colon + 1);
        return { open: { raw, name, ns, attrs, scope: own, children: [] }, empty };
      }
      if (before === this.at) throw new XmlError('expected a blank');
      const key = this.take(NAME, 'an attribute');
      this.skip(SPACE);
      if (this.input[this.at] !== '=') throw new XmlError('expected =');
      this.at++;
      this.skip(SPACE);
      const quote = this.input[this.at];
      if (quote !== '"' && quote !== "'") throw new XmlError('expected a quote');
      this.at++;
      const end = this.find(quote);
      const value = this.input.slice(this.at, end);
      this.at = end + 1;
      if (value.includes('<') || key in attrs || ++count > ATTRIBUTES_MAX) throw new XmlError('bad attribute');
      attrs[key] = decode(value);
      if (key === 'xmlns') own = { ...own, '': attrs[key] };
      else if (key.startsWith('xmlns:')) own = { ...own, [key.slice(6)]: attrs[key] };
    }
  }

  private finish(open: Open): Element {
    return { name: open.name, ns: open.ns, attrs: open.attrs, children: open.children };
  }

  private find(what: string): number {
    const found = this.input.indexOf(what, this.at);
    if (found < 0) throw new XmlError('cut short');
    return found;
  }

  private skip(pattern: RegExp): void {
    pattern.lastIndex = this.at;
    pattern.exec(this.input);
    this.at = Math.max(this.at, pattern.lastIndex);
  }

  private take(pattern: RegExp, what: string): string {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.input);
    if (!match) throw new XmlError(`expected ${what}`);
    this.at = pattern.lastIndex;
    return match[0];
  }
}

/** Reads one whole element; throws XmlError. */
export function parse(input: string): Element {
  return new Reader(input).read();
}
