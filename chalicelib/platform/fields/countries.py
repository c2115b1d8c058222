"""Countries and calling codes by the prefixes of phone numbers. Loaded only for texts whose country matters.

Sources: ITU-T E.164 Annex, "List of Recommendation ITU-T E.164 assigned country codes"; ISO 3166-1 alpha-2; the North American
Numbering Plan Administrator's list of area codes. Countries that share a code are told apart by the digits that follow it. Where
islands share a code without digits of their own for mobile numbers, they count as the country whose code it is.
"""

from ..phrases import did_you_mean
from .table import FieldError

# Each country, then its prefixes; the longest prefix of a number decides
_PREFIXES = """
US 1; CA 1204 1226 1236 1249 1250 1257 1263 1289 1306 1343 1354 1365 1367 1368 1382 1387 1403 1416 1418 1428
CA 1431 1437 1438 1450 1460 1468 1474 1506 1514 1519 1537 1548 1568 1579 1581 1584 1587 1604 1613 1639
CA 1647 1672 1683 1705 1709 1742 1753 1778 1780 1782 1807 1819 1825 1867 1873 1879 1902 1905 1942 1983; AG 1268
AI 1264; AS 1684; BB 1246; BM 1441; BS 1242; DM 1767; DO 1809 1829 1849; GD 1473; GU 1671; JM 1658 1876; KN 1869
KY 1345; LC 1758; MP 1670; MS 1664; PR 1787 1939; SX 1721; TC 1649; TT 1868; VC 1784; VG 1284; VI 1340; EG 20; SS 211
MA 212; DZ 213; TN 216; LY 218; GM 220; SN 221; MR 222; ML 223; GN 224; CI 225; BF 226; NE 227; TG 228; BJ 229; MU 230
LR 231; SL 232; GH 233; NG 234; TD 235; CF 236; CM 237; CV 238; ST 239; GQ 240; GA 241; CG 242; CD 243; AO 244; GW 245
IO 246; AC 247; SC 248; SD 249; RW 250; ET 251; SO 252; DJ 253; KE 254; TZ 255; UG 256; BI 257; MZ 258; ZM 260; MG 261
RE 262; YT 262269 262639; ZW 263; NA 264; MW 265; LS 266; BW 267; SZ 268; KM 269; ZA 27; SH 290; ER 291; AW 297
FO 298; GL 299; GR 30; NL 31; BE 32; FR 33; ES 34; GI 350; PT 351; LU 352; IE 353; IS 354; AL 355; MT 356; CY 357
FI 358; AX 35818; BG 359; HU 36; LT 370; LV 371; EE 372; MD 373; AM 374; BY 375; AD 376; MC 377; SM 378
VA 379 3906698; UA 380; RS 381; ME 382; XK 383; HR 385; SI 386; BA 387; MK 389; IT 39; RO 40; CH 41; CZ 420; SK 421
LI 423; AT 43; GB 44; DK 45; SE 46; NO 47; SJ 4779; PL 48; DE 49; GG 441481 447781 447839 4479111 4479117
IM 441624 447524 447624 447924; JE 441534 447509 447797 447829 447937 4477003 4477007 4477008; FK 500; BZ 501; GT 502
SV 503; HN 504; NI 505; CR 506; PA 507; PM 508; HT 509; PE 51; MX 52; CU 53; AR 54; BR 55; CL 56; CO 57; VE 58; GP 590
BO 591; GY 592; EC 593; GF 594; PY 595; MQ 596; SR 597; UY 598; CW 5999; BQ 5993 5994 5997; MY 60; AU 61; ID 62; PH 63
NZ 64; SG 65; TH 66; TL 670; AQ 6721; NF 6723; BN 673; NR 674; PG 675; TO 676; SB 677; VU 678; FJ 679; PW 680; WF 681
CK 682; NU 683; WS 685; KI 686; NC 687; TV 688; PF 689; TK 690; FM 691; MH 692; RU 7; KZ 76 77; JP 81; KR 82; VN 84
KP 850; HK 852; MO 853; KH 855; LA 856; CN 86; BD 880; TW 886; TR 90; IN 91; PK 92; AF 93; LK 94; MM 95; MV 960
LB 961; JO 962; SY 963; IQ 964; KW 965; SA 966; YE 967; OM 968; PS 970; AE 971; IL 972; BH 973; QA 974; BT 975; MN 976
NP 977; IR 98; TJ 992; TM 993; AZ 994; GE 995; KG 996; UZ 998
"""
_COUNTRY_BY_PREFIX = {
    prefix: entry.split()[0] for entry in _PREFIXES.replace("\n", ";").split(";") if entry.strip() for prefix in entry.split()[1:]
}
_LONGEST = max(map(len, _COUNTRY_BY_PREFIX))
COUNTRIES = tuple(sorted(set(_COUNTRY_BY_PREFIX.values())))
_OTHER_NAMES = {"UK": "GB", "EN": "GB", "USA": "US", "EL": "GR"}


def country_of(number: str) -> str:
    """The country of a number such as "+919812345678", as an ISO code; "" if the prefix is not a country's."""
    digits = number.removeprefix("+")
    return next((_COUNTRY_BY_PREFIX[digits[:end]] for end in range(_LONGEST, 0, -1) if digits[:end] in _COUNTRY_BY_PREFIX), "")


def calling_code(number: str) -> str:
    """The country calling code of a number in E.164 format: "91" of "+919812345678"; "" if there is none.

    It has one digit (1 or 7), two digits or three.
    """
    digits = number.removeprefix("+")
    if not digits.isdecimal():
        return ""
    return digits[:1] if digits[0] in "17" else digits[:2] if digits[:2] in _COUNTRY_BY_PREFIX else digits[:3]


def pricing_code(number: str) -> str:
    """The calling code of a number, or a longer prefix if its country only shares that code, but not its price: Jamaica's "1876".

    Canada counts as +1: its texts cost what those to the US do.
    """
    code, digits, country = calling_code(number), number.removeprefix("+"), country_of(number)
    home = _COUNTRY_BY_PREFIX.get(code, country)
    if not code or country in (home, "CA"):
        return code
    return next(digits[:end] for end in range(_LONGEST, 0, -1) if digits[:end] in _COUNTRY_BY_PREFIX)


def country(text: str) -> str:
    """Check a country: its ISO 3166-1 code of two letters, such as IN.

    Raises:
        FieldError: it has no phone numbers of its own, or does not exist.
    """
    if text in COUNTRIES:
        return text
    name = _OTHER_NAMES.get(text.upper(), text.upper())
    hint = f"did you mean {name!r}?" if name in COUNTRIES else did_you_mean(name, ())
    raise FieldError(f"unknown country {text!r}", hint or 'use ISO codes, for example "IN" or "DE"')
